import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "nats";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import type { NatsFiles } from "../../events/nats-access.ts";
import { NatsBus } from "../../events/nats-bus.ts";
import { TestCa } from "../helpers/certificates.ts";
import { CliProcess } from "../helpers/cli-process.ts";
import { NatsOperator } from "../helpers/nats-identities.ts";
import { type NatsServer, startNatsServer } from "../helpers/nats-server.ts";
import { poolEvent } from "../helpers/pool-event.ts";

// Every way to get into NATS, against a real nats-server: with what is right, with what is wrong, and after a correction.

function folder(): string {
	const dir = mkdtempSync(join(tmpdir(), "bks-nats-"));
	onTestFinished(() => rmSync(dir, { recursive: true }));
	return dir;
}

interface ConfiguredServer extends NatsServer {
	/** Replaces its configuration while it runs. */
	configure(config: string): void;
}

async function server(config: string): Promise<ConfiguredServer> {
	const path = join(folder(), "nats.conf");
	writeFileSync(path, config);
	const started = await startNatsServer(0, "--config", path);
	onTestFinished(() => started.kill());
	const configure = (next: string) => {
		writeFileSync(path, next);
		started.reload();
	};
	return { ...started, configure };
}

function bus(url: string, files: NatsFiles = {}) {
	const troubles: string[] = [];
	const waiting: (() => void)[] = [];
	const made = new NatsBus({
		url,
		files,
		name: "test",
		clock: systemClock,
		onTrouble(reason) {
			troubles.push(reason);
			for (const wake of waiting.splice(0)) wake();
		},
	});
	onTestFinished(() => made.close());
	return Object.assign(made, {
		troubles,
		/** Resolves with the next reason for which there is no connection. */
		async trouble(): Promise<string> {
			await new Promise<void>((resolve) => waiting.push(resolve));
			return troubles.at(-1) ?? "";
		},
	});
}

async function connected(made: NatsBus): Promise<void> {
	if (made.status.t === "connected") return;
	await new Promise<void>((resolve) => {
		const stop = made.onStatus(({ t }) => {
			if (t !== "connected") return;
			stop();
			resolve();
		});
	});
}

function file(content: string, name = "secret"): string {
	const path = join(folder(), name);
	writeFileSync(path, content);
	return path;
}

function seedAndKey(): { seed: string; key: string } {
	const user = nkeys.createUser();
	return { seed: new TextDecoder().decode(user.getSeed()), key: user.getPublicKey() };
}

const userPassword = (password: string) => `authorization { user: builder, password: "${password}" }`;
const nkeyUser = (key: string) => `authorization { users: [ { nkey: ${key} } ] }`;

describe("in, when the server agrees; else not, with a reason that holds no secret; and in once it is corrected", () => {
	test("user and password", async () => {
		const nats = await server(userPassword("before-9f3"));
		const made = bus(nats.url.replace("//", "//builder:after-7c1@"));
		// Twice: the nats client itself would stay away after the second refusal.
		for (let attempt = 0; attempt < 3; attempt++)
			expect(await made.trouble()).toMatch(/^NATS at 127\.0\.0\.1:\d+: '?authorization violation'?$/i);
		nats.configure(userPassword("after-7c1"));
		await connected(made);
		expect(made.troubles.join()).not.toMatch(/9f3|7c1/);
	});

	test("token", async () => {
		const nats = await server('authorization { token: "before-9f3" }');
		const made = bus(nats.url.replace("//", "//after-7c1@"));
		expect(await made.trouble()).toMatch(/authorization violation/i);
		nats.configure('authorization { token: "after-7c1" }');
		await connected(made);
		expect(made.troubles.join()).not.toMatch(/9f3|7c1/);
	});

	test("nkey seed", async () => {
		const [ours, other] = [seedAndKey(), seedAndKey()];
		const nats = await server(nkeyUser(other.key));
		const made = bus(nats.url, { nkey: file(`# the proxy's\n${ours.seed}\n`) });
		expect(await made.trouble()).toMatch(/authorization violation/i);
		nats.configure(nkeyUser(ours.key));
		await connected(made);
		expect(made.troubles.join()).not.toContain(ours.seed);
	});

	test("credentials file, replaced by the one that is right", async () => {
		const operator = new NatsOperator();
		const nats = await server(operator.config());
		const creds = file(new NatsOperator().creds());
		const made = bus(nats.url, { creds });
		expect(await made.trouble()).toMatch(/authorization violation/i);
		writeFileSync(creds, operator.creds());
		await connected(made);
		// Half-written, or gone: the reason names the file, and nothing of what is in it.
		writeFileSync(creds, operator.creds().slice(0, 200));
		const again = made.trouble();
		await nats.kill();
		await again;
		await expect
			.poll(() => made.troubles.at(-1))
			.toBe(`NATS at 127.0.0.1:${nats.port}: NATS: ${creds} is no NATS credentials file`);
	});
});

describe("TLS", () => {
	const tlsConfig = (files: { cert: string; key: string; ca: string }, verify: boolean) =>
		`tls { cert_file: "${files.cert}", key_file: "${files.key}", ca_file: "${files.ca}", verify: ${verify} }`;

	test("the server's certificate is held against our CA and its host", async () => {
		const ca = await TestCa.create();
		const byAddress = await ca.sign("nats", ["IP:127.0.0.1"]);
		const byName = await ca.sign("nats", ["DNS:localhost"]);
		const nats = await server(tlsConfig(byAddress, false));
		const named = await server(tlsConfig(byName, false));
		await connected(bus(nats.url, { tlsCa: byAddress.ca }));
		await connected(bus(`tls://localhost:${named.port}`, { tlsCa: byAddress.ca }));

		expect(await bus(`tls://127.0.0.1:${nats.port}`).trouble()).toMatch(/unable to verify|self-signed/);
		const elsewhere = await (await TestCa.create()).sign("other");
		expect(await bus(nats.url, { tlsCa: elsewhere.ca }).trouble()).toMatch(
			/unable to verify|self-signed|signature/,
		);
		// Its certificate is localhost's, which is what the nats client would hold an address against.
		expect(await bus(named.url, { tlsCa: byAddress.ca }).trouble()).toMatch(
			/does not match|IP: 127\.0\.0\.1/,
		);
	});

	test("asked for, and the server has none: no connection in plaintext", async () => {
		const ca = await (await TestCa.create()).sign("nats");
		const nats = await server("");
		expect(await bus(nats.url, { tlsCa: ca.ca }).trouble()).toMatch(/tls|not available/i);
		expect(await bus(nats.url.replace("nats:", "tls:")).trouble()).toMatch(/tls|not available/i);
	});

	test("a client certificate, replaced by the one that is right", async () => {
		const ca = await TestCa.create();
		const serverFiles = await ca.sign("nats", ["IP:127.0.0.1"]);
		const nats = await server(tlsConfig(serverFiles, true));
		const [right, wrong] = [await ca.sign("proxy"), await (await TestCa.create()).sign("proxy")];
		const dir = folder();
		const [tlsCert, tlsKey] = [join(dir, "tls.crt"), join(dir, "tls.key")];
		copyFileSync(wrong.cert, tlsCert);
		copyFileSync(wrong.key, tlsKey);
		const made = bus(nats.url, { tlsCa: serverFiles.ca, tlsCert, tlsKey });
		await made.trouble();
		expect(made.status.t).toBe("disconnected");
		copyFileSync(right.cert, tlsCert);
		// Now they do not fit together, which is a reason like any other.
		await expect.poll(() => made.troubles.at(-1)).toContain("do not fit together");
		copyFileSync(right.key, tlsKey);
		await connected(made);
		expect(made.troubles.join()).not.toContain("PRIVATE");
	});
});

test("the permissions in docs/events.md are enough, and less is told instead of silence", async () => {
	const proxyMay = '"buildkit.v1.ci.a.>", "buildkit.v1.states.ask"';
	const scalerMay = '"buildkit.v1.states.ask", "buildkit-drain.v1.*.*"';
	const nats = await server(`authorization { users: [
		{ user: proxy, password: p, permissions: { publish: [${proxyMay}], subscribe: [${proxyMay}, "buildkit-drain.v1.ci.a"] } },
		{ user: scaler, password: s, permissions: { publish: [${scalerMay}], subscribe: "buildkit.v1.*.*.>" } },
	] }`);
	const proxy = bus(nats.url.replace("//", "//proxy:p@"));
	const scaler = bus(nats.url.replace("//", "//scaler:s@"));
	const event = poolEvent({ namespace: "ci", pool: "a" });
	const peers: unknown[] = [];
	proxy.subscribe((heard) => peers.push(heard), { namespace: "ci", pool: "a" });
	const arrived = new Promise((resolve) => scaler.subscribe(resolve));
	proxy.onAskForStates(() => proxy.publish(event));
	const drains: unknown[] = [];
	proxy.onAskToDrain((request) => drains.push(request), { namespace: "ci", pool: "a" });
	await Promise.all([connected(proxy), connected(scaler)]);
	const asking = setInterval(() => scaler.askForStates(), 50);
	expect(await arrived).toEqual(event);
	await expect.poll(() => peers.length).toBeGreaterThan(0);
	scaler.askToDrain({ namespace: "ci", pool: "a", daemon: "d-0" });
	await expect.poll(() => drains).toEqual([{ namespace: "ci", pool: "a", daemon: "d-0" }]);
	clearInterval(asking);
	expect([...proxy.troubles, ...scaler.troubles]).toEqual([]);
	const nosy = bus(nats.url.replace("//", "//proxy:p@"));
	nosy.subscribe(() => {});
	expect(await nosy.trouble()).toMatch(/permissions violation.*subscription to "?buildkit\.v1\.\*/i);
});

describe("what cannot be right is refused at the start, with the file's name and nothing of what is in it", () => {
	const seed = seedAndKey().seed;
	const start = (url: string, files: NatsFiles) => () =>
		void new NatsBus({ url, files, name: "test", clock: systemClock });

	test.each<[string, string, (secret: string) => NatsFiles, RegExp]>([
		[
			"two ways at once",
			"nats://me:hush-hush@a",
			(path) => ({ nkey: path }),
			/one of the URL and an nkey seed must/,
		],
		[
			"two files at once",
			"nats://a",
			(path) => ({ nkey: path, creds: path }),
			/one of a credentials file and an nkey/,
		],
		["no such file", "nats://a", () => ({ creds: "/nowhere/at-all" }), /no such file.*\/nowhere\/at-all/],
		["a seed as credentials", "nats://a", (path) => ({ creds: path }), /secret is no NATS credentials file/],
		[
			"a certificate without key",
			"nats://a",
			(path) => ({ tlsCert: path }),
			/certificate and its key go together/,
		],
		["a seed as CA", "nats://a", (path) => ({ tlsCa: path }), /secret holds no certificate in PEM/],
	])("%s", (_, url, files, reason) => {
		const thrown = start(url, files(file(seed)));
		expect(thrown).toThrowError(expect.objectContaining({ code: "CONFIG_INVALID" }));
		expect(thrown).toThrowError(reason);
		expect(thrown).not.toThrowError(new RegExp(`${seed}|hush-hush`));
	});

	test.each([
		["of an account", new TextDecoder().decode(nkeys.createAccount().getSeed())],
		["with a letter wrong", `${seed.slice(0, 20)}${seed[20] === "A" ? "B" : "A"}${seed.slice(21)}`],
		["of nothing", ""],
	])("a seed %s", (_, content) => {
		expect(start("nats://a", { nkey: file(content) })).toThrowError(/secret holds no nkey seed of a user/);
	});
});

test("a scaler with a wrong password is alive and not ready, says why, and shows no secret anywhere", async () => {
	const nats = await server(userPassword("before-9f3"));
	const url = nats.url.replace("//", "//builder:after-7c1@");
	const addresses = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
	const started = CliProcess.start("scaler", ...addresses, "--nats", url);
	const [, port] = await started.line(/"admin":(\d+)/);
	const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
	await started.line(/"reason":"NATS at 127\.0\.0\.1:\d+: '?authorization violation/i);
	expect(await get("/readyz")).toMatch(/not ready: .*authorization violation/i);
	const seen = [await get("/state"), await get("/metrics"), await get("/readyz")];
	nats.configure(userPassword("after-7c1"));
	await expect.poll(() => get("/readyz"), { timeout: 10_000 }).toMatch(/^ready|^ok/);
	expect([...seen, started.output].join()).not.toMatch(/9f3|7c1/);
});
