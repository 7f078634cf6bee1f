import { setTimeout as delay } from "node:timers/promises";
import { connect } from "nats";
import { expect, onTestFinished, test } from "vitest";
import { encodeCloudEvent } from "../../events/cloud-event.ts";
import { heartbeatMs } from "../../events/schema.ts";
import { eventSubject } from "../../events/subject.ts";
import { CliProcess } from "../helpers/cli-process.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { type EventParts, poolEvent } from "../helpers/pool-event.ts";

// A scaler as it is deployed, on a NATS where somebody writes nonsense.

async function setup() {
	const nats = await startNatsServer();
	onTestFinished(() => nats.kill());
	const addresses = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
	const scaler = CliProcess.start(
		"scaler",
		"--nats",
		nats.url,
		...addresses,
		"--expected-proxies",
		"proxy-0",
	);
	const [, port] = await scaler.line(/"admin":(\d+)/);
	const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
	const connection = await connect({ servers: nats.url });
	onTestFinished(() => connection.close());
	const text = (parts: EventParts) => encodeCloudEvent(poolEvent(parts), Date.now());
	const say = (parts: EventParts, change = (message: string) => message) =>
		connection.publish(eventSubject(poolEvent(parts)), change(text(parts)));
	await expect.poll(() => get("/readyz"), { timeout: 10_000 }).toMatch(/^ok|^ready/);
	const counted = async (name: string, label: string) =>
		Number(new RegExp(`${name}\\{${label}\\} (\\d+)`).exec(await get("/metrics"))?.[1] ?? 0);
	const demand = async () => JSON.parse(await get("/state")).pools[0]?.demand;
	return { scaler, connection, say, counted, demand };
}

test("thousands of bad messages: counted by cause, one line each, and the demand is what it was", async () => {
	const { scaler, connection, say, counted, demand } = await setup();
	say({ sequence: 1, waiting: 3 });
	for (let message = 0; message < 2_000; message++) {
		connection.publish("buildkit.v1.default.default.proxy.state", "garbage");
		say({ sequence: 2 }, (valid) => valid.replace('"waiting":0', '"waiting":1000000000'));
		say({ sequence: 2 }, (valid) => valid.replace('"waiting":0', '"waiting":-1'));
		say({ sequence: 2 }, (valid) => valid.replace('"specversion":"1.0"', '"specversion":"2.0"'));
	}
	say({ pool: "last" });
	const invalid = (cause: string) => counted("buildkit_scaler_invalid_events_total", `cause="${cause}"`);
	await expect.poll(() => invalid("foreignVersion"), { timeout: 10_000 }).toBe(2_000);
	expect([await invalid("notJson"), await invalid("wrongField")]).toEqual([2_000, 4_000]);
	expect(await demand()).toMatchObject({ t: "known", waiting: 3 });
	const lines = scaler.lines.filter(({ text }) => text.includes("invalid event"));
	expect(lines.map(({ text }) => JSON.parse(text).cause).toSorted()).toEqual([
		"foreignVersion",
		"notJson",
		"wrongField",
	]);
});

test("two proxies with one id: both count, and one line says so", async () => {
	const { scaler, say, counted, demand } = await setup();
	const startedAt = performance.now();
	let sequence = 0;
	while (performance.now() - startedAt < heartbeatMs + 1_000) {
		sequence++;
		say({ incarnation: 1, sequence, busy: [2] });
		say({ incarnation: 2, sequence, busy: [0, 1] });
		await delay(50);
	}
	await expect.poll(demand).toMatchObject({ t: "known", active: 3 });
	expect(await counted("buildkit_scaler_events_total", 'outcome="twin"')).toBeGreaterThan(5);
	expect(scaler.lines.filter(({ text }) => text.includes("two proxies have this id"))).toHaveLength(1);
});
