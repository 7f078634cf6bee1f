import { describe, expect, test } from "vitest";
import { livenessSampleMs } from "../../proxy/connection/liveness.ts";
import { frame, frameType, pingAck } from "../../proxy/hold/http2.ts";
import { userTimeoutSupport } from "../../proxy/wire/dead-host.ts";
import { pem, TestCa } from "../helpers/certificates.ts";
import { watchForLeaks } from "../helpers/leaks.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { untilStalled } from "../helpers/stalled.ts";
import { type StandInConnection, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, type TestProxy } from "../helpers/test-proxy.ts";

const ping = frame(frameType.ping, 0, 0, Buffer.alloc(8));
const pong = pingAck(Buffer.alloc(8));

interface Build {
	readonly client: RawClient;
	readonly daemon: StandInConnection;
	readonly id: string;
}

/** A client and the daemon that it got. */
async function startBuild(
	tested: TestProxy,
	daemons: readonly StandIn[],
	from?: { localAddress: string },
): Promise<Build> {
	const before = daemons.map(({ connections }) => connections.length);
	const client = await RawClient.opened(tested.port, undefined, from);
	await client.frame(({ type, length }) => type === frameType.settings && length === 6);
	const { id } = tested.moves.at(-1)!;
	const daemon = daemons.flatMap(({ connections }, i) => connections.slice(before[i])).at(0)!;
	return { client, daemon, id };
}
type StandIn = Awaited<ReturnType<typeof startStandIn>>;

const connection = ({ proxy }: TestProxy, id: string) =>
	proxy.state().pools[0]!.connections.find((candidate) => candidate.id === id);

/** Five seconds in which the daemons of these builds send their heartbeat, and clients answer it unless they are frozen. */
async function heartbeat(
	tested: TestProxy,
	builds: readonly (Build & { frozen?: boolean })[],
): Promise<void> {
	for (const { id, client, daemon, frozen = false } of builds) {
		const { bytesFromClient = 0, bytesFromDaemon = 0 } = connection(tested, id)!;
		daemon.socket.write(ping);
		if (!frozen) client.send(pong);
		await tested.until(() => {
			const now = connection(tested, id)!;
			return now.bytesFromDaemon > bytesFromDaemon && (frozen || now.bytesFromClient > bytesFromClient);
		});
	}
	tested.clock.advance(livenessSampleMs);
}

describe("a frozen client", () => {
	test("that does not answer its daemon for 5 minutes is ended, and its daemon learns of it; others build on", async () => {
		const daemon = await startStandIn();
		const tested = await startTestProxy();
		tested.source.set([daemon.port]);
		const leftNothing = watchForLeaks(tested);
		const frozen = { ...(await startBuild(tested, [daemon])), frozen: true };
		const healthy = await startBuild(tested, [daemon]);
		for (let beat = 0; beat < 61; beat++) await heartbeat(tested, [frozen, healthy]);
		expect(connection(tested, frozen.id)).toMatchObject({ state: "live" });
		await heartbeat(tested, [frozen, healthy]);
		expect(tested.moves.at(-1)).toMatchObject({ id: frozen.id, reason: "clientFrozen" });
		await frozen.client.closed;
		await tested.until(() => frozen.daemon.socket.readableEnded);
		expect(connection(tested, healthy.id)).toMatchObject({ state: "live" });
		healthy.client.socket.destroy();
		await leftNothing();
	});

	test("that reads no more is ended too, though its daemon can say nothing then", async () => {
		const daemon = await startStandIn();
		const tested = await startTestProxy();
		tested.source.set([daemon.port]);
		const leftNothing = watchForLeaks(tested);
		const build = await startBuild(tested, [daemon]);
		build.client.socket.pause();
		const megabyte = Buffer.alloc(1 << 20);
		for (let i = 0; i < 64; i++) build.daemon.socket.write(megabyte);
		await untilStalled(() => connection(tested, build.id)!.bytesFromDaemon);
		for (let beat = 0; beat < 62; beat++) tested.clock.advance(livenessSampleMs);
		expect(tested.moves.at(-1)).toMatchObject({ reason: "clientFrozen" });
		tested.clock.advance(5_000);
		build.client.socket.destroy();
		await leftNothing();
	});
});

describe("a silent connection on a daemon that drains", () => {
	test("is ended, unless its client builds elsewhere: then when that build has ended", async () => {
		const daemons = [await startStandIn(), await startStandIn(), await startStandIn()];
		const ports = daemons.map(({ port }) => port);
		const tested = await startTestProxy({ capacity: 2 });
		tested.source.set(ports);
		const leftNothing = watchForLeaks(tested);
		const extra = await startBuild(tested, daemons, { localAddress: "127.0.0.2" });
		const alone = await startBuild(tested, daemons, { localAddress: "127.0.0.3" });
		const building = await startBuild(tested, daemons, { localAddress: "127.0.0.2" });
		const load = () => tested.proxy.state().pools[0]!.daemons.map(({ active, idle }) => [active, idle]);
		expect(load()).toEqual([
			[2, 0],
			[1, 0],
			[0, 0],
		]);
		for (let beat = 0; beat < 8; beat++) await heartbeat(tested, [building]);
		expect(load()).toEqual([
			[0, 2],
			[1, 0],
			[0, 0],
		]);
		tested.source.set(ports, [0]);
		await alone.client.closed;
		expect(tested.moves.at(-1)).toMatchObject({ id: alone.id, reason: "idleOnDrain" });
		await tested.proxy.whenUnused("daemon-0");
		for (let beat = 0; beat < 20; beat++) await heartbeat(tested, [building]);
		expect(connection(tested, extra.id)).toMatchObject({ state: "live" });
		building.client.socket.destroy();
		await tested.until(() => connection(tested, building.id) === undefined);
		tested.clock.advance(livenessSampleMs);
		await extra.client.closed;
		expect(tested.moves.at(-1)).toMatchObject({ id: extra.id, reason: "idleOnDrain" });
		await leftNothing();
	});

	test("stays on a daemon that does not drain", async () => {
		const daemon = await startStandIn();
		const tested = await startTestProxy();
		tested.source.set([daemon.port]);
		const { id } = await startBuild(tested, [daemon]);
		tested.clock.advance(3_600_000);
		expect(connection(tested, id)).toMatchObject({ state: "live" });
	});
});

describe.skipIf(!userTimeoutSupport().ok)("bytes that a peer does not take for `unackedMs`", () => {
	const limits = { unackedMs: 1_000 };

	/** Both sides in TLS. */
	async function startSecured() {
		const ca = await TestCa.create();
		const server = await ca.sign("proxy", ["DNS:localhost"]);
		const daemonFiles = await ca.sign("daemon", ["DNS:localhost"]);
		const daemon = await startStandIn(undefined, pem(daemonFiles));
		const tested = await startTestProxy({
			limits,
			tls: { t: "terminate", files: server, clientAuth: "none", allowClients: [] },
			daemonTls: { files: server, serverName: "localhost" },
		});
		return { daemon, tested, secure: { servername: "localhost", ca: pem(server).ca } };
	}

	async function startPlain() {
		const [daemon, tested] = [await startStandIn(), await startTestProxy({ limits })];
		return { daemon, tested, secure: undefined };
	}

	test.each([
		["plaintext", "client", "clientFailed"],
		["plaintext", "daemon", "daemonFailed"],
		["TLS", "client", "clientFailed"],
		["TLS", "daemon", "daemonFailed"],
	] as const)("end the connection, in %s: the %s reads nothing", async (how, side, reason) => {
		const { daemon, tested, secure } = await (how === "TLS" ? startSecured() : startPlain());
		tested.source.set([daemon.port]);
		const leftNothing = watchForLeaks(tested);
		const client = await RawClient.opened(tested.port, secure);
		await tested.until(() => tested.moves.at(-1)?.state === "live");
		const daemonSide = daemon.connections[0]!.socket;
		const [reads, writes] = side === "client" ? [client.socket, daemonSide] : [daemonSide, client.socket];
		reads.pause();
		const megabyte = Buffer.alloc(1 << 20);
		for (let i = 0; i < 64; i++) writes.write(megabyte);
		await tested.until(() => tested.moves.at(-1)?.state === "closed");
		expect(tested.moves.at(-1)).toMatchObject({ reason });
		for (const socket of [reads, writes]) socket.destroy();
		await leftNothing();
	});
});
