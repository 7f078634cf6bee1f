import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { CloseReason } from "../../events/schema.ts";
import type { Daemon } from "../../proxy/daemon.ts";
import { frame, frameType, settingsAck } from "../../proxy/hold/http2.ts";
import { userTimeoutSupport } from "../../proxy/wire/dead-host.ts";
import { OtherHost } from "../helpers/network-namespace.ts";
import type { PeersOptions } from "../helpers/other-host-peers.ts";
import { clientOpening, firstRequest, RawClient } from "../helpers/raw-client.ts";
import { daemonSettings, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, type TestProxy } from "../helpers/test-proxy.ts";

const peers = fileURLToPath(new URL("../helpers/other-host-peers.ts", import.meta.url));
const ping = frame(frameType.ping, 0, 0, Buffer.alloc(8));

/** The defaults are 15 s, 10 s, 3 probes and 45 s, of which 60 s are allowed. Keepalive counts in whole seconds. */
const limits = { keepAliveMs: 1_000, keepAliveIntervalMs: 1_000, keepAliveProbes: 1, unackedMs: 2_000 };
const mustNoticeWithinMs = 4_000;

const isLive = ({ proxy }: TestProxy, count: number) =>
	proxy.state().pools[0]!.connections.filter(({ state }) => state === "live").length === count;

/** How the proxy's connections end, and how long after the cable was cut. */
function watchEnds(
	{ proxy }: TestProxy,
	cutAt: number,
): { reason: CloseReason | undefined; afterMs: number }[] {
	const ends: ReturnType<typeof watchEnds> = [];
	proxy.onMove(({ state, reason }) => {
		if (state === "closed") ends.push({ reason, afterMs: performance.now() - cutAt });
	});
	return ends;
}

const runsAsRoot = process.getuid?.() === 0;

describe.skipIf(!runsAsRoot || !userTimeoutSupport().ok)("a host that dies without a word", () => {
	test("is noticed in time, be it a client's or a daemon's, with bytes in flight to it or without", async () => {
		const host = await OtherHost.start();
		// Two clients there, whose daemon is here ...
		const daemonHere = await startStandIn();
		const forClients = await startTestProxy({ limits, listen: { host: host.here, port: 0 } });
		forClients.source.set([daemonHere.port]);
		const options: PeersOptions = {
			here: host.there,
			daemonSends: daemonSettings.toString("hex"),
			proxy: { host: host.here, port: forClients.port },
			clientSends: Buffer.concat([clientOpening, settingsAck, firstRequest]).toString("hex"),
		};
		const child = host.run(peers, [JSON.stringify(options)]);
		const [port] = await once(child.stdout, "data");
		// ... and two clients here, whose daemon is there.
		const forDaemons = await startTestProxy({ limits });
		const address: Daemon["address"] = { t: "tcp", host: host.there, port: Number(String(port)) };
		forDaemons.source.setDaemons([{ name: "daemon-there", address, ordinal: 0, draining: false }]);
		const clientsHere: RawClient[] = [];
		for (let count = 1; count <= 2; count++) {
			child.stdin.write("one more client\n");
			await forClients.until(() => isLive(forClients, count));
			clientsHere.push(await RawClient.opened(forDaemons.port));
			await forDaemons.until(() => isLive(forDaemons, count));
		}

		await host.cutCable();
		const cutAt = performance.now();
		const clientEnds = watchEnds(forClients, cutAt);
		const daemonEnds = watchEnds(forDaemons, cutAt);
		daemonHere.connections[0]?.socket.write(ping);
		clientsHere[0]?.send(ping);
		await forClients.until(() => clientEnds.length === 2);
		await forDaemons.until(() => daemonEnds.length === 2);

		expect(clientEnds.map(({ reason }) => reason)).toEqual(["clientFailed", "clientFailed"]);
		expect(daemonEnds.map(({ reason }) => reason)).toEqual(["daemonFailed", "daemonFailed"]);
		for (const { afterMs } of [...clientEnds, ...daemonEnds])
			expect(afterMs).toBeLessThan(mustNoticeWithinMs);
		// Who is left of each pair learns of it.
		await Promise.all(clientsHere.map(({ closed }) => closed));
		await forClients.until(() => daemonHere.connections.every(({ socket }) => socket.readableEnded));
	});
});
