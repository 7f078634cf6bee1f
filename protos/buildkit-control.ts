/** What the scaler asks buildkitd, as TypeScript types and a client (buildkit-control.proto). */
import { fileURLToPath } from "node:url";
import { type ChannelCredentials, Client, type MethodDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

interface BuildHistoryRequest {
	/** Without what is over: then buildkitd answers from memory, in 0.4 ms. */
	readonly ActiveOnly: boolean;
	/** Ends after what is there now, instead of following. */
	readonly EarlyExit: boolean;
}

interface BuildHistoryEvent {
	readonly type: "STARTED" | "COMPLETE" | "DELETED";
}

type ControlService = {
	readonly ListenBuildHistory: MethodDefinition<BuildHistoryRequest, BuildHistoryEvent>;
};

const protoPath = fileURLToPath(new URL("./buildkit-control.proto", import.meta.url));

/** As external-scaler.ts, taken on trust here and held to the truth by a test with a real buildkitd. */
const control = loadSync(protoPath, { enums: String, defaults: true, keepCase: true })[
	"moby.buildkit.v1.Control"
] as unknown as ControlService;

/** One daemon's control service. */
export interface ControlClient {
	/**
	 * How many builds it runs now (moby/buildkit: ListenBuildHistory with ActiveOnly and EarlyExit gives one STARTED event
	 * for each; v0.12.4 and later, as before it could miss some). Rejects with a grpc-js `ServiceError`.
	 */
	activeBuilds(deadlineMs: number): Promise<number>;
	close(): void;
}

/** Connects at the first call. `serverName` is what the daemon's certificate names, if not the address. */
export function connectControl(
	address: string,
	credentials: ChannelCredentials,
	serverName: string | undefined,
): ControlClient {
	const client = new Client(address, credentials, {
		"grpc.enable_http_proxy": 0,
		"grpc.enable_retries": 0,
		// A daemon's pod that is to end may have nothing but its connections to tell whether somebody builds.
		"grpc.client_idle_timeout_ms": 5_000,
		...(serverName !== undefined && {
			"grpc.ssl_target_name_override": serverName,
			"grpc.default_authority": serverName,
		}),
	});
	return {
		activeBuilds(deadlineMs) {
			const { path, requestSerialize, responseDeserialize } = control.ListenBuildHistory;
			const request = { ActiveOnly: true, EarlyExit: true };
			const options = { deadline: Date.now() + deadlineMs };
			const call = client.makeServerStreamRequest(
				path,
				requestSerialize,
				responseDeserialize,
				request,
				options,
			);
			let builds = 0;
			return new Promise((resolve, reject) => {
				call.on("data", ({ type }) => {
					if (type === "STARTED") builds++;
				});
				call.on("error", reject);
				call.on("end", () => resolve(builds));
			});
		},
		close: () => client.close(),
	};
}
