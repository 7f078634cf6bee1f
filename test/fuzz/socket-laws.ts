// The same openings against a real proxy on real sockets.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { Registry } from "prom-client";
import { loadConfig } from "../../cli/load-config.ts";
import { poolSettings } from "../../cli/pool-settings.ts";
import { poolOptions } from "../../cli/proxy-options.ts";
import { systemClock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import { MemoryBus } from "../../events/memory-bus.ts";
import { staticSource } from "../../proxy/discovery/static-source.ts";
import type { Limits } from "../../proxy/limits.ts";
import { type RunningProxy, startProxy } from "../../proxy/proxy.ts";
import type { CertificateFiles } from "../helpers/x509.ts";
import { split } from "./reader-laws.ts";

/** Short, so that whoever only waits is ended soon. */
const limits: Partial<Limits> = {
	handshakeMs: 100,
	lingerMs: 50,
	statusMs: 20,
	firstByteMs: 100,
	connectMs: 100,
};
const maxWaitMs = 100;
/** All of the above, one after the other, on a machine that is busy with other things. */
const endsWithinMs = 10_000;
/** How long a daemon that has answered keeps a build. */
const buildMs = 20;

/** One client: what it sends, in which pieces, and what it does then. */
export interface Knock {
	readonly opening: Buffer;
	readonly cuts: readonly number[];
	readonly finally: "stay" | "end" | "reset";
	/** Whether it completes a TLS handshake first; only where TLS ends at the proxy. */
	readonly secured: boolean;
}

export interface FuzzedProxy {
	/** Lets all of them in at once; throws when one of them is still there when every time limit is over. */
	knock(at: TlsMode, knocks: readonly Knock[], daemonSays: Buffer): Promise<void>;
	close(): Promise<void>;
}

/** How a pool's clients speak; each is a pool of the proxy. */
export const tlsModes = ["off", "terminate", "passthrough"] as const;
type TlsMode = (typeof tlsModes)[number];

/** A proxy with one daemon, which says what it is told to and closes soon. `files` are the proxy's own certificate. */
export async function startFuzzedProxy(files: CertificateFiles): Promise<FuzzedProxy> {
	let answer: Buffer = Buffer.alloc(0);
	const daemon = net.createServer((socket) => {
		socket.on("error", () => {});
		socket.resume();
		socket.write(answer);
		setTimeout(() => socket.end(), buildMs);
	});
	daemon.listen(0, "127.0.0.1");
	await once(daemon, "listening");
	const poolOf = (mode: TlsMode) => {
		const own = ["--tls-cert", files.cert, "--tls-key", files.key, "--tls-client-ca", files.ca];
		const tlsFlags = [
			"--tls",
			mode,
			...(mode === "terminate" ? [...own, "--tls-client-auth", "optional"] : []),
		];
		const at = ["--pool", mode, "--listen", "127.0.0.1:0", "--daemons", `127.0.0.1:${portOf(daemon)}`];
		const argv = [...at, ...tlsFlags, "--max-wait", `${maxWaitMs}ms`];
		return poolSettings(loadConfig(poolOptions, { argv, env: {} }));
	};
	const source = staticSource([{ t: "tcp", host: "127.0.0.1", port: portOf(daemon) }]);
	const proxy = await startProxy(
		{ id: "fuzz", pools: tlsModes.map(poolOf), drainGraceMs: 0, drainTimeoutMs: 1_000, limits },
		{
			openSource: async () => ({ source, close: () => {} }),
			bus: new MemoryBus(),
			clock: systemClock,
			log: createLogger("silent"),
			registry: new Registry(),
		},
	);
	return {
		async knock(at, knocks, daemonSays) {
			answer = daemonSays;
			const { port } = proxy.addressOf(poolOf(at));
			await Promise.all(
				knocks.map((knock) => runClient(port, { ...knock, secured: knock.secured && at === "terminate" })),
			);
			await untilEmpty(proxy);
		},
		async close() {
			await proxy.close();
			daemon.close();
			await once(daemon, "close");
		},
	};
}

function portOf(server: net.Server): number {
	const address = server.address();
	if (typeof address !== "object" || address === null) throw new Error("not listening");
	return address.port;
}

async function runClient(port: number, { opening, cuts, finally: last, secured }: Knock): Promise<void> {
	const raw = net.connect({ port, host: "127.0.0.1", noDelay: true });
	const socket = secured ? tls.connect({ socket: raw, rejectUnauthorized: false }) : raw;
	const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
	// A proxy that does not like what it reads may reset.
	raw.on("error", () => {});
	socket.on("error", () => {});
	socket.resume();
	for (const piece of split(opening, cuts)) {
		if (socket.destroyed) break;
		await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
	}
	if (last === "end") socket.end();
	// Under TLS, Node would keep the descriptor of a socket that was reset.
	if (last === "reset" && secured) socket.destroy();
	else if (last === "reset") raw.resetAndDestroy();
	const late = sleep(endsWithinMs, true, { ref: false });
	const isLate = await Promise.race([closed, late]);
	socket.destroy();
	assert(isLate !== true, "a connection did not end");
}

async function untilEmpty(proxy: Pick<RunningProxy, "state">): Promise<void> {
	const deadline = performance.now() + endsWithinMs;
	for (;;) {
		const left = proxy.state().pools.filter((pool) => pool.connections.length > 0 || pool.waiting > 0);
		if (left.length === 0) return;
		assert(performance.now() < deadline, `left behind: ${JSON.stringify(left)}`);
		await sleep(5);
	}
}
