// Several proxies before the same daemons: how far they overshoot a capacity together (docs/architecture.md has the bound).
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { MemoryBus } from "../../events/memory-bus.ts";
import { NatsBus } from "../../events/nats-bus.ts";
import { leaseMs } from "../../events/schema.ts";
import { connected } from "../helpers/nats-proxy.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { daemonSettings, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy, type TestProxy } from "../helpers/test-proxy.ts";

const capacity = 3;

const pool = ({ proxy }: TestProxy) => proxy.state().pools[0]!;
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const active = (proxies: readonly TestProxy[]) =>
	sum(proxies.flatMap((proxy) => pool(proxy).daemons.map((daemon) => daemon.active)));
const waiting = (proxies: readonly TestProxy[]) => sum(proxies.map((proxy) => pool(proxy).waiting));
const live = ({ moves }: TestProxy) => moves.filter(({ state }) => state === "live").length;

/** A daemon that answers, and knows the most connections it had at once. */
async function countingDaemon() {
	const builds = { now: 0, most: 0 };
	const { port } = await startStandIn((socket) => {
		builds.most = Math.max(builds.most, ++builds.now);
		socket.on("close", () => builds.now--);
		socket.on("end", () => socket.end());
		socket.write(daemonSettings);
	});
	return { builds, port };
}

describe("three proxies", () => {
	async function start() {
		const bus = new MemoryBus();
		const ids = ["a", "b", "c"];
		const proxies = await Promise.all(ids.map((id) => startTestProxy({ id, capacity, bus })));
		const until = proxies[0]!.until;
		return { proxies, until };
	}

	test("fill a daemon to its capacity and no further when builds come one by one", async () => {
		const { proxies, until } = await start();
		const { builds, port } = await countingDaemon();
		for (const { source } of proxies) source.set([port]);
		for (let count = 1; count <= 3 * capacity; count++) {
			await RawClient.opened(proxies[count % 3]!.port);
			await until(() => active(proxies) + waiting(proxies) === count);
			await until(() => active(proxies) === Math.min(count, capacity));
		}
		expect(builds.most).toBe(capacity);
	});

	test("give a daemon its capacity each in the worst race, and one build each for a place that gets free", async () => {
		const { proxies, until } = await start();
		const { builds, port: daemonPort } = await countingDaemon();
		// All of them know that it answers, or they would try it with one build each.
		for (const [at, { source, port }] of proxies.entries()) {
			source.set([daemonPort]);
			const client = await RawClient.opened(port);
			await until(() => sum(proxies.map(live)) === at + 1);
			client.socket.destroy();
			await until(() => builds.now === 0);
			source.set([daemonPort], [0]);
		}
		const clients: RawClient[] = [];
		for (const { port } of proxies) {
			for (let n = 0; n < 3 * capacity; n++) clients.push(await RawClient.opened(port));
		}
		await until(() => waiting(proxies) === clients.length);
		// All of them see the empty daemon in the same moment.
		for (const { source } of proxies) source.set([daemonPort]);
		await until(() => builds.now === 3 * capacity);
		expect(builds.most).toBe(3 * capacity);

		const endOne = async () => {
			let client: RawClient | undefined;
			await until(() => {
				client = clients.find(({ received }) => received.includes(daemonSettings));
				return client !== undefined;
			});
			clients.splice(clients.indexOf(client!), 1);
			client!.socket.destroy();
		};
		// Above the capacity nobody adds to it.
		for (let over = 3 * capacity; over > capacity; over--) {
			await endOne();
			await until(() => builds.now === over - 1);
		}
		expect(waiting(proxies)).toBe(6 * capacity);
		builds.most = 0;
		while (waiting(proxies) > 0) {
			await endOne();
			await until(() => active(proxies) >= capacity || waiting(proxies) === 0);
		}
		expect(builds.most).toBeGreaterThan(capacity);
		expect(builds.most).toBeLessThanOrEqual(capacity + 2);
	});
});

describe("two proxies over NATS", () => {
	async function start() {
		const nats = await startNatsServer();
		onTestFinished(() => nats.kill());
		const start = async (id: string) => {
			const bus = new NatsBus({ url: nats.url, name: id, clock: systemClock });
			onTestFinished(() => bus.close());
			await connected(bus);
			return { ...(await startTestProxy({ id, capacity, bus })), bus };
		};
		const [first, second] = [await start("first"), await start("second")];
		const { builds, port } = await countingDaemon();
		for (const { source } of [first, second]) source.set([port]);
		/** A build on the first, and until the second knows of all of them. */
		const open = async (count: number) => {
			const clients: RawClient[] = [];
			for (let n = 0; n < count; n++) clients.push(await RawClient.opened(first.port));
			const known = () =>
				second.events.some(
					({ snapshot }) => snapshot.proxy === "first" && snapshot.daemons[0]?.active === count,
				);
			await second.until(() => live(first) === count && known());
			return clients;
		};
		/** A build on the second that stays in its queue: by now its connect would have been accepted. */
		const openInVain = async () => {
			await RawClient.opened(second.port);
			await second.until(() => waiting([second]) === 1);
			const probe = await RawClient.connect(port);
			await probe.frame(({ length }) => length === 6);
			probe.socket.destroy();
			await probe.closed;
			await second.until(() => builds.now === capacity);
			expect(waiting([second])).toBe(1);
		};
		return { first, second, open, openInVain };
	}

	test("keep a capacity together, and a place that one of them frees is the other's", async () => {
		const { second, open, openInVain } = await start();
		const [build] = await open(capacity);
		await openInVain();
		build!.socket.destroy();
		await second.until(() => live(second) === 1);
	});

	test("a clean stop frees a proxy's share", async () => {
		const { first, second, open, openInVain } = await start();
		await open(capacity);
		await openInVain();
		await first.proxy.close();
		await second.until(() => live(second) === 1);
	});

	test("a proxy that is lost without a word has its share for a lease, and no longer", async () => {
		const { first, second, open, openInVain } = await start();
		await open(capacity);
		await first.bus.close();
		await openInVain();
		second.clock.advance(leaseMs);
		expect(waiting([second])).toBe(1);
		// Silence is looked for every 5 s.
		second.clock.advance(5_000);
		await second.until(() => live(second) === 1);
	});
});
