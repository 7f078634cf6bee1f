import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { fileURLToPath } from "node:url";
import {
	type ChannelOptions,
	Client,
	type ClientReadableStream,
	credentials,
	type MethodDefinition,
	type ServiceError,
	status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { healthOf } from "../helpers/scaler.ts";
import {
	type Answer,
	type ClientKind,
	ClientStream,
	ClientStreams,
	type Connection,
	type ConnectOptions,
	outcomeOf,
	type TlsOptions,
	wallTime,
} from "./client.ts";

export const currentProto = fileURLToPath(new URL("../../protos/externalscaler.proto", import.meta.url));
/** KEDA 2.10 to 2.16: integers only. */
export const oldProto = fileURLToPath(new URL("./externalscaler-2.16.proto", import.meta.url));

type Service = Readonly<Record<string, MethodDefinition<unknown, unknown>>>;

/** grpc-js and protobufjs, in the test's own process. */
export const grpcJs: ClientKind = {
	name: "grpc-js",
	connect(address, options = {}, proto = currentProto) {
		const service = loadSync(proto, { longs: Number, defaults: true })[
			"externalscaler.ExternalScaler"
		] as unknown as Service;
		return connection(address, options, service);
	},
};

function connection(address: string, options: ConnectOptions, service: Service): Connection {
	const { tls, pingMs } = options;
	const channel: ChannelOptions = {
		// Each connection is one of its own, as each test wants it.
		"grpc.use_local_subchannel_pool": 1,
		...(tls && { "grpc.ssl_target_name_override": tls.serverName, "grpc.default_authority": tls.serverName }),
		...(pingMs && { "grpc.keepalive_time_ms": pingMs, "grpc.keepalive_permit_without_calls": 1 }),
	};
	const client = new Client(address, tls ? tlsCredentials(tls) : credentials.createInsecure(), channel);
	const method = (name: string): MethodDefinition<unknown, unknown> => {
		const found = service[name];
		if (found === undefined) throw new Error(`no method ${name} in this proto`);
		return found;
	};

	const call: Connection["call"] = (name, request, { deadlineMs, cancelMs } = {}) => {
		const { path, requestSerialize, responseDeserialize } = method(name);
		return new Promise<Answer>((resolve) => {
			const started = client.makeUnaryRequest(
				path,
				requestSerialize,
				(bytes) => ({ hex: bytes.toString("hex"), message: responseDeserialize(bytes) }),
				request,
				deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs },
				(error, answer) => {
					if (answer !== undefined) resolve({ outcome: "OK", ...answer });
					else resolve({ outcome: outcomeOfError(error), message: undefined, hex: "" });
				},
			);
			if (cancelMs !== undefined) setTimeout(() => started.cancel(), cancelMs);
		});
	};

	return {
		call,
		async load(calls, rate) {
			const ms: number[] = [];
			const codes: Record<string, number> = {};
			const one = async (index: number) => {
				const { method, request } = calls[index % calls.length]!;
				const startedAt = performance.now();
				const { outcome } = await call(method, request);
				ms.push(performance.now() - startedAt);
				const code = outcome.split(":")[0] ?? "";
				codes[code] = (codes[code] ?? 0) + 1;
			};
			if (rate === undefined) await Promise.all(calls.map((_, index) => one(index)));
			else await atRate(rate, one);
			return { ms, codes };
		},
		streams(name, ref, count, unread = false) {
			const { path, requestSerialize, responseDeserialize } = method(name);
			const calls: ClientReadableStream<unknown>[] = [];
			const all = Array.from({ length: count }, () => {
				const stream = new ClientStream();
				const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, ref);
				calls.push(call);
				call.on("error", (error: ServiceError) => stream.end(outcomeOfError(error)));
				call.on("end", () => stream.end("OK"));
				if (!unread) call.on("data", (message) => stream.message(message, wallTime()));
				return stream;
			});
			return new ClientStreams(all, () => {
				for (const call of calls) call.cancel();
			});
		},
		async health(name) {
			const [answer = ""] = await healthOf(address, name);
			return answer;
		},
		close: () => client.close(),
	};
}

async function atRate(
	{ perSecond, seconds }: { perSecond: number; seconds: number },
	one: (index: number) => Promise<void>,
): Promise<void> {
	const startedAt = performance.now();
	const pending: Promise<void>[] = [];
	await new Promise<void>((resolve) => {
		const timer = setInterval(() => {
			const due = Math.min(((performance.now() - startedAt) / 1000) * perSecond, perSecond * seconds);
			while (pending.length < due) pending.push(one(pending.length));
			if (pending.length < perSecond * seconds) return;
			clearInterval(timer);
			resolve();
		}, 5);
	});
	await Promise.all(pending);
}

function tlsCredentials({ ca, cert, key, maxVersion }: TlsOptions) {
	const own = cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : {};
	const version = maxVersion === undefined ? {} : { maxVersion: `TLSv${maxVersion}` as const };
	return credentials.createFromSecureContext(
		createSecureContext({ ca: readFileSync(ca), ...own, ...version }),
	);
}

function outcomeOfError(error: ServiceError | null): string {
	return error === null ? "OK" : outcomeOf(status[error.code] ?? "?", error.details);
}
