// Whose build gets a daemon, and which: turns and caps of tenants, affinity.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { policies } from "../../proxy/daemons/balance.ts";
import { defaultLimits } from "../../proxy/limits.ts";
import { connectPlain } from "../../proxy/tls/connect.ts";
import { pem, TestCa } from "../helpers/certificates.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { daemonSettings, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestPool, type TestPool } from "../helpers/test-pool.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

const identities = (tested: TestPool) =>
	tested
		.served()
		.map(({ identity }) => identity)
		.join("");
const daemons = (tested: TestPool) => tested.served().map(({ daemon }) => daemon);

describe("tenants", () => {
	test("take turns, however many builds one of them has", async () => {
		const tested = startTestPool({ capacity: 1, fairBy: "identity" });
		const wires = [..."aaaabbc"].map((identity) => ({ identity, wire: tested.join(identity) }));
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		for (let count = 1; count <= 7; count++) {
			await tested.until(() => identities(tested).length === count);
			const at = wires.findIndex(({ identity }) => identity === identities(tested).at(-1));
			wires.splice(at, 1)[0]?.wire.leave();
		}
		expect(identities(tested)).toBe("abcabaa");
	});

	test("without --fair-by are served as they came", async () => {
		const tested = startTestPool({ capacity: 7 });
		for (const identity of "aaaabbc") tested.join(identity);
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		await tested.until(() => identities(tested).length === 7);
		expect(identities(tested)).toBe("aaaabbc");
	});

	test("at their cap wait although there is room, are demand, and let others pass; they go on when a build ends", async () => {
		const tested = startTestPool({ fairBy: "identity", maxPerTenant: 2 });
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		const [first] = [..."aaab"].map((identity) => tested.join(identity));
		await tested.until(() => identities(tested).length === 3);
		expect([...identities(tested)].toSorted().join("")).toBe("aab");
		expect(tested.events.at(-1)?.snapshot).toMatchObject({ waiting: 1, daemons: [{ active: 3 }] });
		first?.leave();
		await tested.until(() => identities(tested).length === 4);
		expect(identities(tested).at(-1)).toBe("a");
		expect(daemon.connections).toHaveLength(4);
	});

	test("have room again when a build of theirs is silent", async () => {
		const tested = startTestPool({ fairBy: "identity", maxPerTenant: 1 });
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		tested.join("a");
		tested.join("a");
		await tested.until(() => identities(tested).length === 1);
		tested.clock.advance(40_000);
		await tested.until(() => identities(tested).length === 2);
	});

	test("are told apart from now on when the configuration says so", () => {
		const tested = startTestPool();
		for (const identity of "aab") tested.join(identity);
		const order = () => [...tested.pool.queue.inTurn()].map(({ origin }) => origin.identity).join("");
		expect(order()).toBe("aab");
		tested.pool.reconfigure(
			{ ...tested.pool.options, fairBy: "identity" },
			tested.source,
			connectPlain(defaultLimits),
		);
		expect(order()).toBe("aba");
		const capped = { ...tested.pool.options, maxPerTenant: 1 };
		tested.pool.reconfigure(capped, tested.source, connectPlain(defaultLimits));
		expect(order()).toBe("ab");
	});

	test("that wait for their own builds only are told so; others are told of the daemons", async () => {
		const tested = startTestPool({ fairBy: "identity", maxPerTenant: 1, capacity: 1, maxWaitMs: 5_000 });
		const daemon = await startStandIn();
		tested.source.set([daemon.port]);
		tested.join("a");
		await tested.until(() => identities(tested).length === 1);
		const [capped, other] = [tested.join("a"), tested.join("b")];
		tested.clock.advance(5_000);
		expect(capped.sent.toString("latin1")).toContain("1 build of the same client identity may run at once");
		expect(other.sent.toString("latin1")).toContain("1 is busy");
	});
});

test("tenants are the names in verified client certificates", async () => {
	const ca = await TestCa.create();
	const files = await ca.sign("proxy", ["DNS:localhost"]);
	const [alice, bob] = [await ca.sign("alice"), await ca.sign("bob")];
	const tls = { t: "terminate", files, clientAuth: "required", allowClients: [] } as const;
	const { port, proxy, until } = await startTestProxy({ tls, fairBy: "identity" });
	const waiting = () => proxy.state().pools[0]?.connections.map(({ waiting }) => waiting) ?? [];
	for (const [at, client] of [alice, alice, bob].entries()) {
		await RawClient.opened(port, { servername: "localhost", ...pem(client) });
		await until(() => proxy.state().pools[0]?.waiting === at + 1);
	}
	expect(waiting().map((each) => each?.position)).toEqual([1, 3, 2]);
	expect(waiting().map((each) => each?.tenant.replace(/^cn:/, ""))).toEqual(["alice", "alice", "bob"]);
});

describe("affinity", () => {
	const names = ["daemon-0", "daemon-1", "daemon-2"];
	/** A client that would rather be on this daemon than on the others of so many. */
	const clientOf = (daemon: string, daemons = names.length) => {
		const candidates = names.slice(0, daemons).map((name) => ({ name, ordinal: null, builds: 0 }));
		for (let n = 0; ; n++)
			if (policies.affinity(candidates, `team-${n}`)?.name === daemon) return `team-${n}`;
	};

	async function warmPool(options: Parameters<typeof startTestPool>[0] = {}) {
		const tested = startTestPool({ balance: "affinity", capacity: 2, ...options });
		const standIns = await Promise.all(names.map(() => startStandIn()));
		tested.source.set(standIns.map(({ port }) => port));
		return { tested, standIns };
	}

	test("a client's builds go to its own daemon while that has room, then to another", async () => {
		const { tested } = await warmPool();
		const client = clientOf("daemon-2");
		for (let count = 1; count <= 3; count++) {
			tested.join(client);
			await tested.until(() => tested.served().length === count);
		}
		expect(daemons(tested).slice(0, 2)).toEqual(["daemon-2", "daemon-2"]);
		expect(daemons(tested)[2]).not.toBe("daemon-2");
	});

	test("who wait together, in whatever order, each get their own", async () => {
		const tested = startTestPool({ balance: "affinity", capacity: 1 });
		const clients = ["daemon-2", "daemon-0", "daemon-1"].map((daemon) => clientOf(daemon));
		for (const client of clients) tested.join(client);
		const standIns = await Promise.all(names.map(() => startStandIn()));
		tested.source.set(standIns.map(({ port }) => port));
		await tested.until(() => tested.served().length === 3);
		for (const { identity, daemon } of tested.served()) expect(identity).toBe(clientOf(daemon!));
	});

	test("a daemon that accepts first goes to whom it was chosen for, not to who came first", async () => {
		const directory = mkdtempSync(join(tmpdir(), "bks-affinity-"));
		onTestFinished(() => rmSync(directory, { recursive: true }));
		const path = join(directory, "daemon");
		const quick = net.createServer((socket) => socket.write(daemonSettings)).listen(path);
		onTestFinished(() => void quick.close());
		await once(quick, "listening");
		const standIn = await startStandIn();
		const tested = startTestPool({ balance: "affinity" });
		const [first, second] = ["daemon-0", "daemon-1"].map((daemon) => clientOf(daemon, 2));
		for (const client of [first, second]) tested.join(client);
		// A unix socket is connected in the next turn of the event loop, TCP is polled for after that.
		tested.source.set([standIn.port, path]);
		await tested.until(() => tested.served().length === 2);
		expect(tested.served()).toEqual([
			{ identity: second, daemon: "daemon-1" },
			{ identity: first, daemon: "daemon-0" },
		]);
	});

	test("without an identity a client is known by its address", async () => {
		const { tested } = await warmPool();
		const address = clientOf("daemon-1");
		tested.join(undefined, address);
		await tested.until(() => tested.served().length === 1);
		expect(daemons(tested)).toEqual(["daemon-1"]);
	});

	test("whose own daemon refuses does not wait for it", async () => {
		const { tested, standIns } = await warmPool();
		await standIns[0]!.stop();
		tested.join(clientOf("daemon-0"));
		// No time passes.
		await tested.until(() => tested.served().length === 1);
		expect(daemons(tested)[0]).not.toBe("daemon-0");
	});

	test("whose own daemon does not accept at once is offered another beside it", async () => {
		const { tested, standIns } = await warmPool();
		tested.join(clientOf("daemon-0"));
		// Within this turn of the event loop nothing can be accepted.
		tested.clock.advance(250);
		await tested.until(() => standIns.filter(({ connections }) => connections.length > 0).length === 2);
		await tested.until(() => tested.served().length === 1);
		expect(standIns[0]!.connections).toHaveLength(1);
	});

	test("a daemon dialed for somebody who left goes to who is next", async () => {
		const tested = startTestPool({ balance: "affinity", capacity: 1 });
		const gone = tested.join(clientOf("daemon-0"));
		tested.join(clientOf("daemon-1"));
		const standIn = await startStandIn();
		tested.source.set([standIn.port]);
		gone.leave();
		await tested.until(() => tested.served().length === 1);
		expect(tested.served()).toEqual([{ identity: clientOf("daemon-1"), daemon: "daemon-0" }]);
	});
});
