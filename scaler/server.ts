import type { ServerOptions } from "node:http2";
import { type ChannelOptions, logVerbosity, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { Clock } from "../common/clock.ts";
import { ScalerError } from "../common/error.ts";
import type { Logger } from "../common/log.ts";
import { TlsCredentials, type TlsFiles } from "../common/tls-credentials.ts";
import { externalScalerService } from "../protos/external-scaler.ts";
import type { ExternalScalerHandlers } from "./handlers.ts";
import { ReloadableServerCredentials } from "./server-tls.ts";

export interface ScalerServerOptions {
	readonly listen: { readonly host: string; readonly port: number };
	/** Without it plaintext; with a `ca` clients need a certificate of it. */
	readonly tls?: TlsFiles | undefined;
}

export interface ScalerServer {
	readonly port: number;
	/** What the health service `readiness` answers; `liveness` and the empty name are always serving. */
	setReady(ready: boolean): void;
	/** When our certificate for clients ends, in ms since 1970; undefined without one. */
	certificateEndsAt(): number | undefined;
	/** Looks at the certificates now, not only every 5 s. */
	reloadCertificates(): void;
	/** Lets the calls under way end, for `graceMs` at most; then it ends them. */
	stop(graceMs: number): Promise<void>;
}

/**
 * No limit on concurrent streams: KEDA has one connection for all ScaledObjects, each with a stream of its own, and
 * beyond a limit it would wait without a deadline (facts of grpc-go: a new stream blocks). Pings find the streams of a
 * KEDA that is gone without a word. Pings of the client are answered however often they come: grpc-js sets no policy.
 */
const serverOptions: ChannelOptions = {
	"grpc.enable_channelz": 0,
	"grpc.keepalive_time_ms": 30_000,
	"grpc.keepalive_timeout_ms": 10_000,
	// A ScaledObjectRef of 100 keys of 253 characters is about 50 KiB.
	"grpc.max_receive_message_length": 256 * 1024,
};

/** Serves the handlers and grpc.health.v1. Throws LISTEN_FAILED, or CONFIG_INVALID for wrong certificates. */
export async function startScalerServer(
	{ listen, tls }: ScalerServerOptions,
	handlers: ExternalScalerHandlers,
	{ clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<ScalerServer> {
	const server = new Server(serverOptions);
	tolerateStreamResets(server);
	server.addService(externalScalerService, handlers);
	const health = new HealthImplementation({ "": "SERVING", liveness: "SERVING", readiness: "NOT_SERVING" });
	health.addToServer(server);
	const certificates = tls && loadCertificates(tls, clock, log);
	const credentials = certificates?.serverCredentials ?? ServerCredentials.createInsecure();
	const port = await bind(server, listen, credentials).catch((error: unknown) => {
		certificates?.files.close();
		throw error;
	});
	return {
		port,
		setReady: (ready) => health.setStatus("readiness", ready ? "SERVING" : "NOT_SERVING"),
		certificateEndsAt: () => certificates?.files.expiresAt,
		reloadCertificates: () => certificates?.files.reload(),
		async stop(graceMs) {
			await new Promise<void>((resolve) => {
				const grace = clock.after(graceMs, resolve);
				server.tryShutdown(() => {
					grace.cancel();
					resolve();
				});
			});
			server.forceShutdown();
			certificates?.files.close();
		},
	};
}

function loadCertificates(tls: TlsFiles, clock: Clock, log: Logger) {
	const files = new TlsCredentials(tls, {
		clock,
		onReload(error) {
			if (error !== undefined)
				return log.error({ error: error.message }, "certificates not reloaded: the old ones stay in use");
			serverCredentials.update();
			log.info("certificates reloaded");
		},
	});
	const serverCredentials = new ReloadableServerCredentials(files);
	return { files, serverCredentials };
}

/**
 * Node ends a whole connection when its client resets 1,000 streams at once, and KEDA resets one for each ScaledObject
 * it stops watching: deleting a large namespace would end the streams of all others, abnormally. grpc-js has no option
 * for that (grpc/grpc-node#2625), so this reaches for what it passes to http2; should that move, the test notices.
 */
function tolerateStreamResets(server: Server): void {
	const { commonServerOptions } = server as unknown as { commonServerOptions?: ServerOptions };
	if (commonServerOptions !== undefined)
		Object.assign(commonServerOptions, { streamResetBurst: 20_000, streamResetRate: 1_000 });
}

function bind(
	server: Server,
	{ host, port }: ScalerServerOptions["listen"],
	credentials: ServerCredentials,
): Promise<number> {
	// grpc-js would print its own lines about a failure that the caller reports in one.
	setLogVerbosity(logVerbosity.NONE);
	const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
	return new Promise((resolve, reject) => {
		server.bindAsync(address, credentials, (cause, bound) => {
			if (cause === null) return resolve(bound);
			const why = cause.message.includes("EADDRINUSE") ? "the address is in use" : cause.message;
			reject(new ScalerError("LISTEN_FAILED", `cannot listen on ${address}: ${why}`, { cause }));
		});
	});
}
