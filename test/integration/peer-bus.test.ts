// Replicas that tell each other what they say, over HTTP, on real sockets.
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { startAdmin } from "../../common/admin.ts";
import { systemClock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import { PeerBus } from "../../events/peers/peer-bus.ts";
import type { PoolEvent } from "../../events/schema.ts";
import { poolEvent } from "../helpers/pool-event.ts";

const log = createLogger("silent");

async function replica(port = 0) {
	const invalid: string[] = [];
	const bus = new PeerBus({ clock: systemClock, log, onInvalid: (_, cause) => void invalid.push(cause) });
	const admin = await startAdmin(
		{ host: "127.0.0.1", port },
		{
			ready: () => ({ ok: true }),
			registry: new Registry(),
			state: () => ({}),
			events: (response) => bus.read(response),
		},
	);
	const heard: PoolEvent[] = [];
	bus.subscribe((event) => heard.push(event));
	let closed: Promise<void> | undefined;
	const close = () => {
		closed ??= bus.close().then(() => admin.close());
		return closed;
	};
	onTestFinished(close);
	return { bus, address: `127.0.0.1:${admin.port}`, port: admin.port, heard, invalid, close };
}

test("each hears what the other says, what it says itself once, and is asked for its states when somebody comes", async () => {
	const [a, b] = [await replica(), await replica()];
	let asked = 0;
	a.bus.onAskForStates(() => {
		asked++;
		a.bus.publish(poolEvent({ proxy: "a", sequence: asked }));
	});
	b.bus.connect([a.address]);
	await expect.poll(() => b.heard.map(({ snapshot }) => snapshot.proxy)).toEqual(["a"]);
	a.bus.publish(poolEvent({ proxy: "a", sequence: 7, waiting: 1 }), "now");
	await expect.poll(() => b.heard.at(-1)?.snapshot).toMatchObject({ sequence: 7, waiting: 1 });
	expect(a.heard.map(({ snapshot }) => snapshot.sequence)).toEqual([1, 7]);
	// Only who reads is told: a does not read b.
	b.bus.publish(poolEvent({ proxy: "b" }), "now");
	await expect.poll(() => b.heard).toHaveLength(3);
	expect(a.heard).toHaveLength(2);
	expect([...a.invalid, ...b.invalid]).toEqual([]);
});

test("requests to drain and for states reach who reads, of other pools nobody", async () => {
	const [a, b] = [await replica(), await replica()];
	const of = { namespace: "default", pool: "default" };
	const drains: string[] = [];
	let asked = 0;
	b.bus.onAskToDrain(({ daemon }) => drains.push(daemon), of);
	b.bus.onAskForStates(() => asked++);
	b.bus.connect([a.address]);
	a.bus.onAskForStates(() => a.bus.publish(poolEvent({ proxy: "a" })));
	await expect.poll(() => b.heard).toHaveLength(1);
	a.bus.askToDrain({ ...of, pool: "other", daemon: "other-0" });
	a.bus.askToDrain({ ...of, daemon: "daemon-0" });
	a.bus.askForStates();
	await expect.poll(() => [drains, asked]).toEqual([["daemon-0"], 1]);
});

test("the last word arrives before the end, and who starts again is heard again", async () => {
	const [a, b] = [await replica(), await replica()];
	a.bus.onAskForStates(() => a.bus.publish(poolEvent({ proxy: "a" })));
	b.bus.connect([a.address]);
	await expect.poll(() => b.heard).toHaveLength(1);
	a.bus.publish(poolEvent({ proxy: "a", sequence: 1, type: "proxy.stopped" }));
	await a.close();
	await expect.poll(() => b.heard.at(-1)?.type).toBe("proxy.stopped");
	const again = await replica(a.port);
	again.bus.onAskForStates(() => again.bus.publish(poolEvent({ proxy: "a", incarnation: 2 })));
	await expect.poll(() => b.heard.at(-1)?.snapshot.incarnation, { timeout: 10_000 }).toBe(2);
	b.bus.connect([]);
	again.bus.publish(poolEvent({ proxy: "a", incarnation: 2, sequence: 9 }), "now");
	await new Promise((resolve) => setImmediate(resolve));
	expect(b.heard.at(-1)?.snapshot.sequence).toBe(0);
});

test("what is no message is counted and harmless", async () => {
	const b = await replica();
	const odd = await startAdmin(
		{ host: "127.0.0.1", port: 0 },
		{
			ready: () => ({ ok: true }),
			registry: new Registry(),
			state: () => ({}),
			events(response) {
				response.writeHead(200);
				response.write("\nnospace\n x\nbuildkit.v1.default.default.proxy.state {\n");
				response.write("buildkit.v1.default.default.proxy.state {}\nsome.other.subject {}\n\u0000\n");
				response.write(`buildkit.v1.${"x".repeat(10_000)}\n`);
			},
		},
	);
	onTestFinished(() => odd.close());
	b.bus.connect([`127.0.0.1:${odd.port}`]);
	await expect.poll(() => b.invalid).toEqual(["notJson", "notCloudEvent"]);
	expect(b.heard).toEqual([]);
});
