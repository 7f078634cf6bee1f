import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connect, type NatsConnection } from "nats";
import { expect, onTestFinished, test } from "vitest";
import { encodeCloudEvent } from "../../events/cloud-event.ts";
import type { PoolEvent } from "../../events/schema.ts";
import { eventSubject } from "../../events/subject.ts";
import { CliProcess } from "../helpers/cli-process.ts";
import { type NatsServer, startNatsServer } from "../helpers/nats-server.ts";
import { type EventParts, poolEvent } from "../helpers/pool-event.ts";

async function server(...flags: readonly string[]): Promise<NatsServer> {
	const started = await startNatsServer(0, ...flags);
	onTestFinished(() => started.kill());
	return started;
}

function storeFolder(): string {
	const dir = mkdtempSync(join(tmpdir(), "bks-jetstream-"));
	onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
	return dir;
}

function jetstream(): Promise<NatsServer> {
	return server("--jetstream", "--store_dir", storeFolder());
}

async function publisher(url: string): Promise<NatsConnection & { say(parts: EventParts): void }> {
	const connection = await connect({ servers: url });
	onTestFinished(() => connection.close());
	const say = (parts: EventParts) => {
		const event: PoolEvent = poolEvent(parts);
		connection.publish(eventSubject(event), encodeCloudEvent(event, Date.now()));
	};
	return Object.assign(connection, { say });
}

/** `events tail`, once it listens: it says nothing by itself, so it is spoken to until it answers. */
async function tail(
	proxies: { say(parts: EventParts): void },
	...args: readonly string[]
): Promise<CliProcess> {
	const started = CliProcess.start("events", "tail", ...args);
	const knock = setInterval(() => proxies.say({ proxy: "knock" }), 50);
	await started.line(/knock/);
	clearInterval(knock);
	return started;
}

const others = (started: CliProcess) =>
	started.lines.map(({ text }) => text).filter((text) => !text.includes("knock"));

test("events live, invalid ones too, over an outage, until Ctrl-C", async () => {
	const nats = await server();
	const proxies = await publisher(nats.url);
	const watching = await tail(proxies, "--nats", nats.url);
	proxies.say({ busy: [2, 1], waiting: 1 });
	proxies.publish("buildkit.v1.default.default.proxy.state", "gar\u001b[2Jbage");
	proxies.say({ namespace: "ci", pool: "arm64", type: "proxy.stopped" });
	await watching.line(/stopped/);
	const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}/.source;
	expect(others(watching)).toEqual([
		expect.stringMatching(
			`${time}default/default  proxy\\.state +proxy proxy-0  1 waiting  3 active on 2 daemons$`,
		),
		"invalid message (notJson): event on buildkit.v1.default.default.proxy.state: not JSON",
		expect.stringMatching(`${time}ci/arm64  proxy\\.stopped +proxy proxy-0$`),
	]);

	await nats.kill();
	await watching.line(/NATS at 127.0.0.1:\d+: .*; trying again/);
	const back = await startNatsServer(nats.port);
	onTestFinished(() => back.kill());
	const again = await publisher(back.url);
	const knock = setInterval(() => again.say({ proxy: "is-back" }), 50);
	await watching.line(/is-back/);
	clearInterval(knock);

	watching.child.kill("SIGINT");
	expect(await watching.exited).toBe(0);
});

test("only one pool, as JSON", async () => {
	const nats = await server();
	const proxies = await publisher(nats.url);
	const args = ["--nats", nats.url, "--namespace", "default", "--pool", "default", "--json"];
	const watching = await tail(proxies, ...args);
	proxies.say({ pool: "other" });
	proxies.say({ namespace: "ci" });
	proxies.say({ sequence: 7 });
	await watching.line(/"sequence":7/);
	const lines = others(watching).map((text) => JSON.parse(text));
	expect(lines).toMatchObject([
		{ specversion: "1.0", type: "proxy.state", data: { namespace: "default", pool: "default" } },
	]);
});

test("who reads the output goes away: it ends quietly", async () => {
	const nats = await server();
	const proxies = await publisher(nats.url);
	const main = join(import.meta.dirname, "../../cli/main.ts");
	const child: ChildProcess = spawn(process.execPath, [main, "events", "tail", "--nats", nats.url]);
	onTestFinished(() => void child.kill("SIGKILL"));
	let errors = "";
	child.stderr?.on("data", (chunk) => {
		errors += chunk;
	});
	const exited = once(child, "exit");
	const knock = setInterval(() => proxies.say({ proxy: "knock" }), 20);
	if (child.stdout === null) throw new Error("no pipe");
	await once(createInterface({ input: child.stdout }), "line");
	child.stdout.destroy();
	expect(await exited).toEqual([0, null]);
	clearInterval(knock);
	expect(errors).toBe("");
});

async function run(...args: readonly string[]): Promise<{ code: number | null; output: string }> {
	const started = CliProcess.start(...args);
	return { code: await started.exited, output: started.output };
}

test("history: a stream with limits, made once, and read from some time ago on into what is live", async () => {
	const nats = await jetstream();
	const stream = ["events", "stream", "--nats", nats.url];
	expect(await run(...stream)).toEqual({ code: 0, output: "stream BUILDKIT_EVENTS created" });
	expect((await run(...stream)).output).toBe("stream BUILDKIT_EVENTS unchanged");
	const limits = ["--max-age", "1m", "--max-bytes", "10MiB"];
	expect((await run(...stream, ...limits)).output).toBe("stream BUILDKIT_EVENTS updated");
	const proxies = await publisher(nats.url);
	const { config } = await (await proxies.jetstreamManager()).streams.info("BUILDKIT_EVENTS");
	expect(config).toMatchObject({ max_age: 60e9, max_bytes: 10 * 2 ** 20, subjects: ["buildkit.v1.*.*.>"] });

	proxies.say({ sequence: 1, waiting: 11 });
	proxies.publish("buildkit.v1.default.default.proxy.state", "{}");
	proxies.say({ pool: "other" });
	// The question for states is no event.
	proxies.publish("buildkit.v1.states.ask");
	await proxies.flush();
	const watching = CliProcess.start(
		"events",
		"tail",
		"--nats",
		nats.url,
		"--since",
		"1h",
		"--pool",
		"default",
	);
	await watching.line(/notCloudEvent/);
	proxies.say({ sequence: 2, waiting: 22 });
	await watching.line(/22 waiting/);
	expect(watching.lines.map(({ text }) => text)).toEqual([
		expect.stringContaining("11 waiting"),
		expect.stringContaining("invalid message (notCloudEvent)"),
		expect.stringContaining("22 waiting"),
	]);
	watching.child.kill("SIGINT");
	expect(await watching.exited).toBe(0);
});

test("history goes on where an outage cut it off: nothing is missed, nothing told twice", async () => {
	const dir = storeFolder();
	const nats = await server("--jetstream", "--store_dir", dir);
	expect((await run("events", "stream", "--nats", nats.url)).code).toBe(0);
	const before = await publisher(nats.url);
	for (const waiting of [11, 12]) before.say({ waiting });
	await before.flush();
	const watching = CliProcess.start("events", "tail", "--nats", nats.url, "--since", "1h");
	await watching.line(/12 waiting/);
	await nats.kill();
	await watching.line(/trying again/);
	const back = await startNatsServer(nats.port, "--jetstream", "--store_dir", dir);
	onTestFinished(() => back.kill());
	const after = await publisher(back.url);
	for (const waiting of [13, 14]) after.say({ waiting });
	await watching.line(/14 waiting/);
	const told = watching.lines.flatMap(({ text }) => /(\d+) waiting/.exec(text)?.[1] ?? []);
	expect(told).toEqual(["11", "12", "13", "14"]);
});

test("no JetStream, no stream: said in one line; what comes live is shown all the same", async () => {
	const nats = await server();
	const stream = await run("events", "stream", "--nats", nats.url);
	expect(stream).toEqual({
		code: 1,
		output: "buildkit-scaler: the stream BUILDKIT_EVENTS: NATS has no JetStream here",
	});
	const proxies = await publisher(nats.url);
	const watching = await tail(proxies, "--nats", nats.url, "--since", "1h");
	expect(watching.lines[0]?.text).toBe(
		"buildkit-scaler: no history (NATS has no JetStream here): only what comes from now on",
	);
	const without = await jetstream();
	const elsewhere = await tail(await publisher(without.url), "--nats", without.url, "--since", "1h");
	expect(elsewhere.lines[0]?.text).toMatch(/no history \(no stream matches subject\): only/);
});

test.each(["tail", "stream"])("events %s --help", async (word) => {
	const started = CliProcess.start("events", word, "--help");
	expect(await started.exited).toBe(0);
	expect(started.output).toContain(`Usage: buildkit-scaler events ${word} [options]`);
	expect(started.output).toContain("env: BUILDKIT_SCALER_NATS_CREDS");
});

test("a stream command that cannot reach NATS fails with the reason, and without the password", async () => {
	const { code, output } = await run("events", "stream", "--nats", "nats://me:hush-hush@127.0.0.1:1");
	expect({ code, output }).toEqual({
		code: 1,
		output: "buildkit-scaler: NATS at 127.0.0.1:1: connection refused",
	});
});
