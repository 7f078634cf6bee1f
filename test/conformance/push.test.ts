// Points 17 to 24 of the list: what is pushed, to whom and how often.
import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, test } from "vitest";
import { poolEvent } from "../helpers/pool-event.ts";
import { openUnreadStream } from "../helpers/raw-grpc.ts";
import { scaledObject } from "../helpers/scaler.ts";
import { type Connection, wallTime } from "./client.ts";
import {
	clientKinds,
	connect,
	endClientsAfterAll,
	median,
	scalerFor,
	startingScaler,
	syncedScaler,
	withBothClients,
} from "./setup.ts";

endClientsAfterAll();

/** When it is answered, what was sent to this connection before has arrived there. */
async function arrived(keda: Connection): Promise<void> {
	await keda.call("IsActive", scaledObject());
}

withBothClients(
	"17 a stream that opens on an active pool is told within 50 ms, on an idle one nothing",
	async (kind) => {
		const { keda, say, opened } = await scalerFor(kind);
		say();
		const idle = keda.streams("StreamIsActive", scaledObject(), 1);
		await opened(1);
		await arrived(keda);
		expect(idle.all[0]?.messages).toEqual([]);
		say({ busy: [1] });
		const took: number[] = [];
		for (let round = 0; round < 15; round++) {
			const openedAt = wallTime();
			const streams = keda.streams("StreamIsActive", scaledObject(), 1);
			await streams.received(1);
			took.push(streams.all[0]!.times[0]! - openedAt);
			await arrived(keda);
			expect(streams.all[0]?.messages).toEqual([{ result: true }]);
		}
		expect(median(took)).toBeLessThan(50);
	},
);

test("17 what is certain is pushed while the rest is unknown", async () => {
	const { address, bus } = await startingScaler();
	for (const kind of clientKinds) {
		const keda = connect(kind, address);
		bus.publish(poolEvent({ waiting: 1 }));
		await keda.streams("StreamIsActive", scaledObject(), 1).received(1);
		expect((await keda.call("IsActive", scaledObject())).outcome).toMatch(/^UNAVAILABLE/);
	}
});

withBothClients(
	"18 a pool that becomes active is told to each of its streams once, within 50 ms",
	async (kind) => {
		const { keda, say, opened } = await scalerFor(kind);
		say();
		const streams = keda.streams("StreamIsActive", scaledObject(), 20);
		const others = keda.streams("StreamIsActive", scaledObject({ pool: "other" }), 1);
		await opened(21);
		const took: number[] = [];
		for (let edge = 1; edge <= 15; edge++) {
			const saidAt = wallTime();
			say({ busy: [1] });
			await streams.received(edge);
			took.push(...streams.all.map(({ times }) => times.at(-1)! - saidAt));
			say();
			await arrived(keda);
			for (const { messages } of streams.all) expect(messages).toHaveLength(edge);
		}
		expect(median(took)).toBeLessThan(50);
		expect(others.all[0]?.messages).toEqual([]);
	},
);

withBothClients("19 nothing is repeated while everybody is served or nobody builds", async (kind) => {
	const { keda, say, clock, opened } = await scalerFor(kind);
	const streams = keda.streams("StreamIsActive", scaledObject(), 3);
	await opened(3);
	say({ busy: [1] });
	await streams.received(1);
	// The proxy's heartbeats go on.
	for (let second = 0; second < 3_600; second += 5) {
		say({ busy: [(second / 5) % 4 === 0 ? 2 : 1] });
		clock.advance(5_000);
	}
	say();
	for (let second = 0; second < 3_600; second += 5) {
		say();
		clock.advance(5_000);
	}
	await arrived(keda);
	expect(streams.all.map(({ messages }) => messages.length)).toEqual([1, 1, 1]);
});

withBothClients(
	"20 while somebody waits, `true` comes again after 1, 2, 4, 8, 15, 15 s, until served",
	async (kind) => {
		const { keda, say, clock, opened } = await scalerFor(kind);
		const streams = keda.streams("StreamIsActive", scaledObject(), 2);
		await opened(2);
		say({ waiting: 1 });
		await streams.received(1);
		let count = 1;
		for (const seconds of [1, 2, 4, 8, 15, 15]) {
			clock.advance(seconds * 1_000 - 1);
			say({ waiting: 1 });
			await arrived(keda);
			expect(streams.all.map(({ messages }) => messages.length)).toEqual([count, count]);
			clock.advance(1);
			count++;
			await streams.received(count);
		}
		say({ busy: [1] });
		clock.advance(600_000);
		await arrived(keda);
		expect(streams.all.map(({ messages }) => messages.length)).toEqual([count, count]);
	},
);

withBothClients("21 `false` is never pushed, whatever happens", async (kind) => {
	const { keda, say, clock, bus, opened } = await scalerFor(kind);
	const streams = keda.streams("StreamIsActive", scaledObject(), 2);
	await opened(2);
	const load = fc.record({ waiting: fc.nat(1), busy: fc.array(fc.nat(1), { maxLength: 2 }) });
	let incarnation = 1;
	const step = fc.oneof(
		load.map((parts) => () => say({ ...parts, incarnation })),
		fc.nat(20_000).map((ms) => () => clock.advance(ms)),
		fc.constant(() => bus.become({ t: "disconnected", reason: "gone" })),
		fc.constant(() => bus.become({ t: "connected" })),
		fc.constant(() => say({ type: "proxy.stopped", incarnation: incarnation++ })),
	);
	for (const run of fc.sample(step, { numRuns: 300, seed: 21 })) run();
	bus.become({ t: "connected" });
	say({ incarnation });
	say({ incarnation, waiting: 1 });
	await streams.received(1);
	await arrived(keda);
	for (const { messages } of streams.all) {
		expect(messages.length).toBeGreaterThan(0);
		expect(messages.every((message) => (message as { result: boolean }).result)).toBe(true);
	}
});

withBothClients(
	"22 two streams of one ScaledObject are both told; the older one's end leaves the other",
	async (kind) => {
		const { address, keda, say, opened } = await scalerFor(kind);
		const older = keda.streams("StreamIsActive", scaledObject(), 1);
		await opened(1);
		// After an edit on the same connection, after a change of KEDA's leader on another.
		const newer = keda.streams("StreamIsActive", scaledObject(), 1);
		const elsewhere = connect(kind, address).streams("StreamIsActive", scaledObject(), 1);
		await opened(3);
		say({ busy: [1] });
		await Promise.all([older, newer, elsewhere].map((stream) => stream.received(1)));
		older.cancel();
		expect(await older.ended()).toEqual([expect.stringMatching(/^CANCELLED/)]);
		await opened(2);
		say();
		say({ busy: [1] });
		await Promise.all([newer, elsewhere].map((stream) => stream.received(2)));
		expect(older.all[0]?.messages).toHaveLength(1);
	},
);

withBothClients(
	"23 a cancelled stream is freed within a second, and 10,000 leave nothing behind",
	async (kind) => {
		const { keda, say, clock, registry, openStreams, opened } = await scalerFor(kind);
		say({ waiting: 1 });
		const cycle = async (count: number) => {
			const streams = keda.streams("StreamIsActive", scaledObject(), count);
			await opened(count);
			const cancelledAt = performance.now();
			streams.cancel();
			await opened(0);
			await streams.ended();
			return performance.now() - cancelledAt;
		};
		const timers = clock.pending;
		const took: number[] = [];
		const rounds = async (count: number) => {
			for (let round = 0; round < count; round++) took.push(await cycle(250));
		};
		await rounds(4);
		const before = heapUsed();
		await rounds(36);
		const grown = heapUsed() - before;
		expect(median(took)).toBeLessThan(1_000);
		expect(openStreams()).toBe(0);
		expect(clock.pending).toBe(timers);
		expect(await registry.getSingleMetricAsString("buildkit_scaler_rpcs_total")).toContain(
			'method="StreamIsActive",code="CANCELLED"} 10000',
		);
		// A stream of nothing but itself is about 10 KiB: of 10,000 not one in 10 may be left.
		expect(grown).toBeLessThan(10 * 2 ** 20);
	},
	{ timeout: 90_000 },
);

test("24 a client that does not read gets one message, and nobody else notices", async () => {
	const { address, clock, say, registry } = await syncedScaler();
	say({ waiting: 1 });
	const { session, stream } = await openUnreadStream(address);
	const quick = clientKinds.map((kind) =>
		connect(kind, address).streams("StreamIsActive", scaledObject(), 1),
	);
	await Promise.all(quick.map((streams) => streams.received(1)));
	for (const [index, seconds] of [1, 2, 4, 8, 15, 15, 15].entries()) {
		clock.advance(seconds * 1_000);
		await Promise.all(quick.map((streams) => streams.received(index + 2)));
	}
	const pushes = await registry.getSingleMetricAsString("buildkit_scaler_pushes_total");
	expect(pushes).toContain('outcome="sent"} 17');
	expect(pushes).toContain('outcome="coalesced"} 7');
	// It reads at last, and finds the one.
	session.settings({ initialWindowSize: 65_535 });
	const [data] = await once(stream, "data");
	expect(data.toString("hex")).toBe("00000000020801");
});

withBothClients(
	"24 a stream that its client leaves unread harms no other on its connection",
	async (kind) => {
		const { keda, say, opened } = await scalerFor(kind);
		keda.streams("StreamIsActive", scaledObject(), 100, true);
		keda.streams("StreamMetricSpec", scaledObject(), 100, true);
		const read = keda.streams("StreamIsActive", scaledObject(), 1);
		await opened(101);
		for (let edge = 1; edge <= 50; edge++) {
			say({ busy: [1] });
			await read.received(edge);
			say({ capacity: edge });
		}
		expect((await keda.call("IsActive", scaledObject())).outcome).toBe("OK");
	},
);

function heapUsed(): number {
	setFlagsFromString("--expose-gc");
	const collect = runInNewContext("gc") as () => void;
	collect();
	collect();
	return process.memoryUsage().heapUsed;
}
