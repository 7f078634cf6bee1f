// Points 1 to 12, 35 to 37 of the list: what is asked and what is answered.
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { type MethodDefinition, Server, ServerCredentials } from "@grpc/grpc-js";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { externalScalerService } from "../../protos/external-scaler.ts";
import { poolEvent } from "../helpers/pool-event.ts";
import { grpcFrame, grpcHeaders } from "../helpers/raw-grpc.ts";
import { scaledObject } from "../helpers/scaler.ts";
import type { Connection, UnaryMethod } from "./client.ts";
import { oldProto } from "./js-client.ts";
import {
	clientKinds,
	connect,
	endClientsAfterAll,
	scalerFor,
	startingScaler,
	syncedScaler,
	withBothClients,
} from "./setup.ts";

endClientsAfterAll();

const unaryMethods = ["IsActive", "GetMetricSpec", "GetMetrics"] as const;
const streamMethods = ["StreamIsActive", "StreamMetricSpec"] as const;

/** One unary call about a ScaledObject. */
function ask(keda: Connection, method: UnaryMethod, ref = scaledObject(), metricName = "builds") {
	return keda.call(method, method === "GetMetrics" ? { scaledObjectRef: ref, metricName } : ref);
}

async function metricValue(keda: Connection, ref = scaledObject()): Promise<number> {
	const { message } = await ask(keda, "GetMetrics", ref);
	const { metricValues } = message as { metricValues: { metricValueFloat: number }[] };
	expect(metricValues).toHaveLength(1);
	return metricValues[0]!.metricValueFloat;
}

// Written by hand from KEDA's proto and the protobuf encoding: tag = field number << 3 | wire type.
const golden = {
	ref: "0a02736f" + "12026e73" + "1a09" + "0a04706f6f6c" + "120170",
	true: "0801",
	spec: "0a13" + "0a066275696c6473" + "1004" + "190000000000001040",
	metrics: "0a13" + "0a066275696c6473" + "1009" + "190000000000002240",
};
const goldenRef = { name: "so", namespace: "ns", scalerMetadata: { pool: "p" } };

/** A server that keeps each request's bytes and answers with the golden ones. */
async function goldenServer() {
	const requests: Record<string, string> = {};
	const answers: Record<string, string> = {
		IsActive: golden.true,
		StreamIsActive: golden.true,
		GetMetricSpec: golden.spec,
		StreamMetricSpec: golden.spec,
		GetMetrics: golden.metrics,
	};
	const bytes = (buffer: Buffer) => buffer;
	const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {};
	const handlers: Record<string, (call: never, callback: never) => void> = {};
	for (const [name, { path, responseStream }] of Object.entries(externalScalerService)) {
		definition[name] = {
			path,
			requestStream: false,
			responseStream,
			requestSerialize: bytes,
			requestDeserialize: bytes,
			responseSerialize: bytes,
			responseDeserialize: bytes,
		};
		const answer = Buffer.from(answers[name] ?? "", "hex");
		handlers[name] = (
			call: { request: Buffer; write(message: Buffer): void; end(): void },
			callback: (error: null, message: Buffer) => void,
		) => {
			requests[name] = call.request.toString("hex");
			if (!responseStream) return callback(null, answer);
			call.write(answer);
			call.end();
		};
	}
	const server = new Server();
	server.addService(definition, handlers as never);
	const port = await new Promise<number>((resolve) =>
		server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
	);
	onTestFinished(() => server.forceShutdown());
	return { address: `127.0.0.1:${port}`, requests };
}

withBothClients("1 the golden bytes are those of this client's protobuf", async (kind) => {
	const { address, requests } = await goldenServer();
	const keda = connect(kind, address);
	const spec = { metricSpecs: [{ metricName: "builds", targetSize: 4, targetSizeFloat: 4 }] };
	const metrics = { metricValues: [{ metricName: "builds", metricValue: 9, metricValueFloat: 9 }] };
	expect((await ask(keda, "IsActive", goldenRef)).message).toEqual({ result: true });
	expect((await ask(keda, "GetMetricSpec", goldenRef)).message).toEqual(spec);
	expect((await ask(keda, "GetMetrics", goldenRef)).message).toEqual(metrics);
	const streams = streamMethods.map((method) => keda.streams(method, goldenRef, 1));
	expect(await Promise.all(streams.map((stream) => stream.ended()))).toEqual([["OK"], ["OK"]]);
	expect(streams.map(({ all }) => all[0]?.messages)).toEqual([[{ result: true }], [spec]]);
	const withName = `0a13${golden.ref}12066275696c6473`;
	expect(requests).toEqual({
		IsActive: golden.ref,
		StreamIsActive: golden.ref,
		GetMetricSpec: golden.ref,
		StreamMetricSpec: golden.ref,
		GetMetrics: withName,
	});
});

withBothClients("1 the scaler answers in golden bytes", async (kind) => {
	const { keda, say } = await scalerFor(kind);
	say({ namespace: "ns", pool: "p", waiting: 9 });
	expect((await ask(keda, "IsActive", goldenRef)).hex).toBe(golden.true);
	expect((await ask(keda, "GetMetricSpec", goldenRef)).hex).toBe(golden.spec);
	expect((await ask(keda, "GetMetrics", goldenRef)).hex).toBe(golden.metrics);
	say({ namespace: "ns", pool: "p" });
	expect((await ask(keda, "IsActive", goldenRef)).message).toEqual({ result: false });
});

withBothClients("1 KEDA up to 2.16 reads the integers", async (kind) => {
	const { address, say } = await scalerFor(kind);
	const keda = connect(kind, address, {}, oldProto);
	say({ waiting: 9 });
	expect((await ask(keda, "GetMetricSpec")).message).toEqual({
		metricSpecs: [{ metricName: "builds", targetSize: 4 }],
	});
	expect((await ask(keda, "GetMetrics")).message).toEqual({
		metricValues: [{ metricName: "builds", metricValue: 9 }],
	});
	expect((await ask(keda, "IsActive")).message).toEqual({ result: true });
	const streams = keda.streams("StreamIsActive", scaledObject(), 1);
	await streams.received(1);
	expect(streams.all[0]?.messages).toEqual([{ result: true }]);
	say();
	expect((await ask(keda, "GetMetrics")).message).toEqual({
		metricValues: [{ metricName: "builds", metricValue: 0 }],
	});
});

withBothClients(
	"2 GetMetricSpec is one spec above zero, the same after a restart and from each replica",
	async (kind) => {
		const replicas = await Promise.all(Array.from({ length: 3 }, () => scalerFor(kind)));
		const refs = [
			scaledObject(),
			...[1, 3, 10_000].map((n) => scaledObject({ pool: "default", buildsPerDaemon: String(n) })),
		];
		const targets = [4, 1, 3, 10_000];
		for (const { keda, say } of replicas) {
			say();
			for (let repeat = 0; repeat < 3; repeat++) {
				for (const [index, ref] of refs.entries()) {
					const target = targets[index]!;
					expect(await ask(keda, "GetMetricSpec", ref)).toMatchObject({
						outcome: "OK",
						message: { metricSpecs: [{ metricName: "builds", targetSize: target, targetSizeFloat: target }] },
					});
				}
			}
		}
		expect("builds").toMatch(/^[a-z0-9-]+$/);
	},
);

withBothClients(
	"3 GetMetrics is one value of the name asked for, integer and float, both 0 when idle",
	async (kind) => {
		const { keda, say } = await scalerFor(kind);
		for (const [parts, value] of [
			[{ waiting: 1, busy: [2, 0, 1] }, 12],
			[{ waiting: 5 }, 5],
			[{}, 0],
		] as const) {
			say(parts);
			expect((await ask(keda, "GetMetrics")).message).toEqual({
				metricValues: [{ metricName: "builds", metricValue: value, metricValueFloat: value }],
			});
		}
	},
);

withBothClients("4 another metric name is NOT_FOUND, an empty one INVALID_ARGUMENT", async (kind) => {
	const { keda, say } = await scalerFor(kind);
	say();
	const asked = async (name: string) => (await ask(keda, "GetMetrics", scaledObject(), name)).outcome;
	expect(await asked("s0-builds")).toBe('NOT_FOUND: there is no metric "s0-builds", only "builds"');
	expect(await asked("Builds")).toMatch(/^NOT_FOUND/);
	expect(await asked("x".repeat(10_000))).toMatch(/^NOT_FOUND/);
	expect(await asked("")).toMatch(/^INVALID_ARGUMENT: metricName is empty/);
});

withBothClients("5 large values are exact, also beyond 32 bits", async (kind) => {
	const ledger = { maxPools: 2, maxProxiesPerPool: 1_000 };
	const { keda, bus } = await scalerFor(kind, { ledger });
	for (let proxy = 0; proxy < 1_000; proxy++)
		bus.publish(poolEvent({ proxy: `proxy-${proxy}`, waiting: 1_000_000 }));
	expect((await ask(keda, "GetMetrics")).message).toEqual({
		metricValues: [{ metricName: "builds", metricValue: 1e9, metricValueFloat: 1e9 }],
	});
	const [daemon] = poolEvent({ busy: [1] }).snapshot.daemons;
	const event = poolEvent({ pool: "far", sequence: 1 });
	bus.publish({ ...event, snapshot: { ...event.snapshot, daemons: [{ ...daemon!, ordinal: 999_999 }] } });
	const far = scaledObject({ pool: "far", buildsPerDaemon: "10000" });
	expect((await ask(keda, "GetMetrics", far)).message).toEqual({
		metricValues: [{ metricName: "builds", metricValue: 1e10, metricValueFloat: 1e10 }],
	});
});

withBothClients(
	"6 IsActive is true exactly when GetMetrics is above zero, whatever is asked at the same time",
	async (kind) => {
		const { keda, say } = await scalerFor(kind);
		const loads = fc.sample(fc.record({ waiting: fc.nat(2), busy: fc.array(fc.nat(1), { maxLength: 3 }) }), {
			numRuns: 30,
			seed: 6,
		});
		for (const load of loads) {
			say(load);
			const pairs = await Promise.all(
				Array.from({ length: 10 }, () => Promise.all([ask(keda, "IsActive"), metricValue(keda)])),
			);
			for (const [{ message }, value] of pairs) expect(message).toEqual({ result: value > 0 });
		}
	},
);

withBothClients(
	"7 KEDA's own keys and unknown ones do not matter, and a value may come from the environment",
	async (kind) => {
		const { keda, say } = await scalerFor(kind);
		say({ waiting: 3 });
		const own = {
			scalerAddress: "nowhere:1",
			enableTLS: "maybe",
			unsafeSsl: "x",
			caCert: "x",
			other: "",
			"": "",
		};
		const fromEnv = { poolFromEnv: "default", buildsPerDaemonFromEnv: "2", otherFromEnv: "x" };
		for (const metadata of [{ pool: "default", ...own }, fromEnv]) {
			for (const method of unaryMethods)
				expect((await ask(keda, method, scaledObject(metadata))).outcome).toBe("OK");
			expect(await metricValue(keda, scaledObject(metadata))).toBe(3);
		}
	},
);

/** The key that must be named, and nonsense for it. */
const nonsense: readonly [string, Record<string, string>, string?][] = [
	["pool", {}],
	["pool", { pool: "" }],
	["pool", { pool: "No!" }],
	["pool", { pool: "-a" }],
	["pool", { pool: "x".repeat(64) }],
	["pool", { pool: "x".repeat(100_000) }],
	["pool", { pool: "ü" }],
	["pool", { pool: "a.b" }],
	["pool", { pool: "*" }],
	["pool", { pool: ">" }],
	["pool", { pool: "a\nb" }],
	["pool", { pool: "__proto__" }],
	["pool", { pool: "default", poolFromEnv: "default" }],
	["buildsPerDaemon", { pool: "default", buildsPerDaemon: "0" }],
	["buildsPerDaemon", { pool: "default", buildsPerDaemon: "-1" }],
	["buildsPerDaemon", { pool: "default", buildsPerDaemon: "4.5" }],
	["buildsPerDaemon", { pool: "default", buildsPerDaemon: "1e3" }],
	["buildsPerDaemon", { pool: "default", buildsPerDaemon: "NaN" }],
	["buildsPerDaemon", { pool: "default", buildsPerDaemon: "" }],
	["buildsPerDaemon", { pool: "default", buildsPerDaemonFromEnv: "99999999999999999999" }],
	["namespace", { pool: "default" }, ""],
	["namespace", { pool: "default" }, "Not-One"],
	["namespace", { pool: "default" }, "x".repeat(253)],
];

withBothClients(
	"8 nonsense is INVALID_ARGUMENT from every method within 100 ms, and the key is named",
	async (kind) => {
		const { keda, say, openStreams } = await scalerFor(kind);
		say();
		await ask(keda, "IsActive");
		const took: number[] = [];
		for (const [key, metadata, namespace = "default"] of nonsense) {
			const ref = scaledObject(metadata, namespace);
			const startedAt = performance.now();
			const outcomes = await Promise.all([
				...unaryMethods.map(async (method) => (await ask(keda, method, ref)).outcome),
				...streamMethods.map((method) => keda.streams(method, ref, 1).all[0]!.ended),
			]);
			took.push(performance.now() - startedAt);
			for (const outcome of outcomes) {
				expect(outcome).toMatch(new RegExp(`^INVALID_ARGUMENT: ${key} `));
				expect(outcome.length).toBeLessThan(300);
			}
		}
		expect(took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)]).toBeLessThan(100);
		expect(openStreams()).toBe(0);
	},
);

test("8 a message that is not protobuf is an error of its call alone", async () => {
	const { address, say } = await syncedScaler();
	say();
	const session = http2.connect(`http://${address}`);
	onTestFinished(() => session.destroy());
	for (const method of [...unaryMethods, ...streamMethods]) {
		const stream = session.request(grpcHeaders(method));
		stream.resume().end(grpcFrame(Buffer.from("ffffffffffff", "hex")));
		// An answer without a body has its status among the headers.
		const [[head], trailers] = await Promise.all([
			once(stream, "response"),
			Promise.race([once(stream, "trailers"), once(stream, "close")]),
		]);
		expect(head["grpc-status"] ?? trailers[0]["grpc-status"], method).toBe("13");
	}
	for (const kind of clientKinds) {
		expect((await ask(connect(kind, address), "IsActive")).outcome).toBe("OK");
	}
});

withBothClients(
	"9 an unknown pool is NOT_FOUND; its stream stays open, and tells when the pool appears",
	async (kind) => {
		const { keda, say, opened } = await scalerFor(kind);
		const ref = scaledObject({ pool: "later" });
		for (const method of unaryMethods)
			expect((await ask(keda, method, ref)).outcome).toBe(
				"NOT_FOUND: no proxy speaks for pool default/later",
			);
		const active = keda.streams("StreamIsActive", ref, 1);
		const spec = keda.streams("StreamMetricSpec", ref, 1);
		await opened(1);
		say({ pool: "later", waiting: 1 });
		await Promise.all([active.received(1), spec.received(1)]);
		expect([active.all[0]?.messages, spec.all[0]?.messages]).toEqual([
			[{ result: true }],
			[(await ask(keda, "GetMetricSpec", ref)).message],
		]);
	},
);

withBothClients(
	"10 a pool of another namespace is PERMISSION_DENIED, whether there is one or not",
	async (kind) => {
		const { keda, say } = await scalerFor(kind);
		say({ namespace: "other", pool: "there", waiting: 1 });
		const outcomes = new Set<string>();
		for (const metadata of [{ pool: "other/there" }, { pool: "other/none" }]) {
			const ref = scaledObject(metadata);
			for (const method of unaryMethods) outcomes.add((await ask(keda, method, ref)).outcome);
			for (const method of streamMethods) outcomes.add(await keda.streams(method, ref, 1).all[0]!.ended);
		}
		expect([...outcomes]).toEqual([
			'PERMISSION_DENIED: pool names namespace "other": a ScaledObject sees pools of its own namespace only, default',
		]);
		const byKey = scaledObject({ pool: "there", namespace: "other" });
		expect((await ask(keda, "GetMetrics", byKey)).outcome).toMatch(/^PERMISSION_DENIED: namespace names/);
		expect((await ask(keda, "GetMetrics", scaledObject({ pool: "there" }))).outcome).toMatch(/^NOT_FOUND/);
	},
);

withBothClients(
	"11 not synced, or without its bus, the scaler is UNAVAILABLE, and still says the spec",
	async (kind) => {
		const { address, bus, clock } = await startingScaler();
		const keda = connect(kind, address);
		const fixed = scaledObject({ pool: "default", buildsPerDaemon: "4" });
		const outcomes = async (ref: ReturnType<typeof scaledObject>) => [
			(await ask(keda, "GetMetrics", ref)).outcome,
			(await ask(keda, "IsActive", ref)).outcome,
			(await ask(keda, "GetMetricSpec", ref)).outcome,
		];
		const starting =
			"UNAVAILABLE: the demand of pool default/default is unknown: waiting for the proxies to report";
		expect(await outcomes(fixed)).toEqual([starting, starting, "OK"]);
		expect(await outcomes(scaledObject())).toEqual([starting, starting, starting]);
		bus.publish(poolEvent());
		expect(await outcomes(scaledObject())).toEqual([starting, starting, "OK"]);
		clock.advance(6_000);
		expect(await outcomes(scaledObject())).toEqual(["OK", "OK", "OK"]);
		bus.become({ t: "disconnected", reason: "gone" });
		const gone = "UNAVAILABLE: the demand of pool default/default is unknown: the bus is disconnected: gone";
		expect(await outcomes(scaledObject())).toEqual([gone, gone, "OK"]);
	},
);

withBothClients(
	"12 StreamMetricSpec tells the spec at once and each change, as GetMetricSpec does, and never none",
	async (kind) => {
		const { keda, say, scaler } = await scalerFor(kind);
		const known = async (ref = scaledObject()) => (await ask(keda, "GetMetricSpec", ref)).message;
		say({ capacity: 4 });
		const fixed = scaledObject({ pool: "default", buildsPerDaemon: "3" });
		const streams = [
			keda.streams("StreamMetricSpec", scaledObject(), 1),
			keda.streams("StreamMetricSpec", fixed, 1),
		];
		await Promise.all(streams.map((stream) => stream.received(1)));
		const [own, set] = streams.map(({ all }) => all[0]!);
		expect([own!.messages, set!.messages]).toEqual([[await known()], [await known(fixed)]]);
		// Only a change is news: each costs KEDA a reconcile.
		say({ capacity: 4, waiting: 1 });
		say({ capacity: 8, waiting: 1 });
		await own!.received(2);
		expect(own!.messages[1]).toEqual(await known());
		expect(own!.messages[1]).toMatchObject({ metricSpecs: [{ targetSize: 8, targetSizeFloat: 8 }] });
		const stopped = scaler.stop();
		expect([await own!.ended, await set!.ended]).toEqual(["OK", "OK"]);
		await stopped;
		expect([own!.messages.length, set!.messages.length]).toEqual([2, 1]);
	},
);

withBothClients("35 grpc.health.v1: readiness follows the bus, liveness does not", async (kind) => {
	const { scaler, keda, bus } = await scalerFor(kind);
	const health = () => Promise.all(["", "liveness", "readiness", "other"].map((name) => keda.health(name)));
	expect(await health()).toEqual(["SERVING", "SERVING", "SERVING", "NOT_FOUND"]);
	bus.become({ t: "disconnected", reason: "gone" });
	expect(await health()).toEqual(["SERVING", "SERVING", "NOT_SERVING", "NOT_FOUND"]);
	expect(scaler.ready()).toEqual({ ok: false, reason: "gone" });
	bus.become({ t: "connected" });
	expect(await health()).toEqual(["SERVING", "SERVING", "SERVING", "NOT_FOUND"]);
});

withBothClients(
	"36 plaintext with prior knowledge; other protocols are turned away and harm nobody",
	async (kind) => {
		const { address, keda, say } = await scalerFor(kind);
		say();
		for (const words of [
			"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
			"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
			"nonsense\n",
		]) {
			const [host, port] = address.split(":");
			const socket = net.connect(Number(port), host).on("error", () => {});
			socket.resume().end(words, "latin1");
			await once(socket, "close");
		}
		expect((await ask(keda, "IsActive")).outcome).toBe("OK");
	},
);

withBothClients("37 long names, UTF-8 and 100 keys do no harm, and more is refused", async (kind) => {
	const { keda, say } = await scalerFor(kind);
	say();
	const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key-${i}-ключ`, "ü😀".repeat(60)]));
	const ref = { ...scaledObject({ pool: "default", ...many }), name: "ж".repeat(255) };
	for (const method of unaryMethods) expect((await ask(keda, method, ref)).outcome).toBe("OK");
	const namespace = scaledObject({ pool: "default" }, "n".repeat(253));
	expect((await ask(keda, "IsActive", namespace)).outcome).toMatch(/^INVALID_ARGUMENT: namespace/);
	const huge = scaledObject({ pool: "x".repeat(300_000) });
	expect((await ask(keda, "IsActive", huge)).outcome).toMatch(/^RESOURCE_EXHAUSTED/);
	expect((await ask(keda, "IsActive")).outcome).toBe("OK");
});
