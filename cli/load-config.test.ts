import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { checkTenants } from "./common-options.ts";
import { loadConfig, loadPools } from "./load-config.ts";
import { localCommand } from "./local.ts";
import { age, boolean, duration, size } from "./option.ts";
import { poolSettings } from "./pool-settings.ts";
import { poolOptions, sharedOptions } from "./proxy-options.ts";
import { scalerCommand } from "./scaler.ts";

const { options } = localCommand;

function configFile(content: string): string {
	const folder = mkdtempSync(join(tmpdir(), "bks-config-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const path = join(folder, "config.yaml");
	writeFileSync(path, content);
	return path;
}

function invalid(message: string) {
	return expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining(message) });
}

describe("a wrong flag names itself and what it must be", () => {
	test.each([
		[["--max-daemons", "many"], '--max-daemons: must be a whole number from 1 to 100, not "many"'],
		[
			["--cooldown", "30"],
			'--cooldown: must be a duration such as 30s, 5m or 1h30m, at most 24 days, not "30"',
		],
		[["--cooldown=-5s"], "--cooldown: must be a duration"],
		[["--listen", "1234"], '--listen: must be HOST:PORT, such as 127.0.0.1:1234, not "1234"'],
		[["--listen", "127.0.0.1:65536"], "--listen: must be HOST:PORT"],
		[["--daemon", "podman"], '--daemon: must be one of auto, buildkitd, docker, simulated, not "podman"'],
		[["--pool", "My_Pool"], "--pool: must be a DNS label: up to 63 lower-case letters, digits and '-'"],
		[["--colour", "red"], "--colour is not an option; see --help"],
		[["--capacity"], "--capacity needs a value"],
		[["--capacity="], "--capacity needs a value"],
		[["--capacity", "1", "--capacity", "2"], "--capacity is given twice"],
		[["extra"], '"extra" is not expected; see --help'],
		[["--config", "/nowhere/config.yaml"], "--config /nowhere/config.yaml: ENOENT: no such file"],
	])("%j", (argv, message) => {
		expect(() => loadConfig(options, { argv, env: {} })).toThrowError(invalid(message));
	});

	test("but never repeats what may be a secret", () => {
		const argv = ["--nats", "http://user:secret@host"];
		const thrown = () => loadConfig(scalerCommand.options, { argv, env: {} });
		expect(thrown).toThrowError(invalid("--nats: must be a URL such as nats://127.0.0.1:4222"));
		expect(thrown).not.toThrowError(/secret/);
		const traces = () => loadConfig(options, { argv: ["--traces", "otlp://user:secret@host"], env: {} });
		expect(traces).toThrowError(invalid("--traces: must be a URL such as http://collector:4318"));
		expect(traces).not.toThrowError(/secret/);
	});
});

test.each([
	["capacity: 0\n", ': capacity: must be a whole number from 1 to 10000, not "0"'],
	["capcity: 4\n", ": capcity is not an option ("],
	["- capacity\n", ": must be a mapping of options to values"],
	["just text\n", ": must be a mapping of options to values"],
	["capacity: [\n", "--config "],
	["cooldown: {a: 1}\n", ": cooldown: must be a duration"],
	["capacity: true\n", ": capacity: must be a whole number"],
])("a file with %j is refused", (content, message) => {
	const path = configFile(content);
	expect(() => loadConfig(options, { argv: ["--config", path], env: {} })).toThrowError(invalid(message));
});

test("flags come before the environment, that before the file, and the default last", () => {
	const path = configFile("maxWait: 3s\ncooldown: 3s\npoll: 3s\n");
	const env = {
		BUILDKIT_SCALER_CONFIG: path,
		BUILDKIT_SCALER_COOLDOWN: "2s",
		BUILDKIT_SCALER_MAX_WAIT: "2s",
		BUILDKIT_SCALER_POLL: "",
	};
	const config = loadConfig(options, { argv: ["--max-wait", "1s"], env });
	expect(config).toMatchObject({ maxWait: 1_000, cooldown: 2_000, poll: 3_000, wakeDelay: 0 });
	expect(Object.isFrozen(config)).toBe(true);
});

test("the defaults of local", () => {
	const { stateDir, ...config } = loadConfig(options, { argv: [], env: {} });
	expect(stateDir).toMatch(/buildkit-scaler$/);
	expect(config).toEqual({
		listen: { host: "127.0.0.1", port: 1_234 },
		maxDaemons: 4,
		capacity: 4,
		balance: "pack",
		affinityBy: "identity",
		fairBy: "none",
		cooldown: 30_000,
		poll: 5_000,
		wakeDelay: 0,
		maxWait: 900_000,
		wakeOnStatus: false,
		frozenAfter: 300_000,
		drainTimeout: 10_800_000,
		daemon: "auto",
		admin: { host: "127.0.0.1", port: 8_081 },
		scalerListen: { host: "127.0.0.1", port: 6_000 },
		pool: "default",
		namespace: "default",
		logLevel: "warn",
	});
});

test.each([
	["512KiB", 524_288],
	["64MiB", 67_108_864],
	["1GiB", 1_073_741_824],
	["0MiB", undefined],
	["64", undefined],
	["64MB", undefined],
	["-1MiB", undefined],
])("a size of %s", (text, bytes) => {
	expect(size.parse(text)).toBe(bytes);
});

test("a limit per tenant needs something that tells tenants apart", () => {
	expect(() => checkTenants({ fairBy: "none", maxPerTenant: 2 })).toThrowError(
		invalid("--max-per-tenant needs --fair-by"),
	);
	expect(() => checkTenants({ fairBy: "listener", maxPerTenant: 2 })).not.toThrow();
	expect(() => checkTenants({ fairBy: "none", maxPerTenant: undefined })).not.toThrow();
});

test.each([
	["7d", 604_800_000],
	["1d12h", 129_600_000],
	["90d", 7_776_000_000],
	["0", undefined],
	["7", undefined],
	["40000d", undefined],
])("an age of %s", (text, ms) => {
	expect(age.parse(text)).toBe(ms);
});

test("a flag that is true or false may stand alone", () => {
	const table = {
		json: { kind: boolean, defaultText: "false", placeholder: "BOOL", description: "" },
	} as const;
	const json = (...argv: readonly string[]) => loadConfig(table, { argv, env: {} }).json;
	expect([json(), json("--json"), json("--json", "false"), json("--json=false")]).toEqual([
		false,
		true,
		false,
		false,
	]);
	expect(() => json("--json", "maybe")).toThrowError(/--json: must be true or false, not "maybe"/);
	const { shared } = loadPools(
		sharedOptions,
		{ ...poolOptions, ...table },
		{ argv: ["--json", "--id", "a"], env: {} },
	);
	expect(shared.id).toBe("a");
});

test("any duration in whole units is read as it is written", () => {
	const parts = fc.record({ h: fc.nat(500), m: fc.nat(59), s: fc.nat(59), ms: fc.nat(999) });
	fc.assert(
		fc.property(parts, ({ h, m, s, ms }) => {
			expect(duration.parse(`${h}h${m}m${s}s${ms}ms`)).toBe(((h * 60 + m) * 60 + s) * 1_000 + ms);
		}),
	);
});

describe("several pools", () => {
	const load = (file: string, ...argv: readonly string[]) =>
		loadPools(sharedOptions, poolOptions, { argv: ["--config", configFile(file), ...argv], env: {} });

	test("are a list in the file; what is said outside of it is for all of them", () => {
		const { shared, pools } = load(
			"nats: nats://n:4222\ncapacity: 2\npools:\n" +
				"  - {pool: a, daemons: [d-0:1234, d-1:1234], capacity: 8}\n" +
				"  - {pool: b, listen: ':1235', daemons: [d-2:1234]}\n",
			"--max-wait",
			"1m",
		);
		expect(shared.nats).toBe("nats://n:4222");
		expect(pools.map(poolSettings)).toMatchObject([
			{ name: "a", capacity: 8, maxWaitMs: 60_000, listen: { port: 1234 }, source: { addresses: [{}, {}] } },
			{ name: "b", capacity: 2, maxWaitMs: 60_000, listen: { port: 1235 }, source: { addresses: [{}] } },
		]);
	});

	test("without a list there is one, of the flags alone", () => {
		const argv = ["--daemons", "d:1"];
		const { pools, path } = loadPools(sharedOptions, poolOptions, { argv, env: {} });
		expect(pools.map(poolSettings)).toMatchObject([{ name: "default", source: { t: "static" } }]);
		expect(path).toBeUndefined();
	});

	test.each([
		["pools: []\n", ": pools: must be a list of pools"],
		["pools: [a]\n", ": pools[0]: must be a mapping of options to values"],
		["pools: [{pool: a, colour: red}]\n", ": pools[0]: colour is not an option"],
		["pools: [{pool: a}, {pool: B}]\n", ": pools[1]: pool: must be a DNS label"],
		["pools: [{pool: a, nats: 'nats://x'}]\n", ": pools[0]: nats is not an option"],
	])("%j is refused, with its place", (file, message) => {
		expect(() => load(file)).toThrowError(invalid(message));
	});
});

describe("TLS options that do not go together", () => {
	test.each([
		[["--tls", "terminate"], "--tls terminate needs --tls-cert and --tls-key"],
		[["--tls-cert", "c"], "--tls-cert needs --tls terminate, not off"],
		[
			["--tls", "passthrough", "--allow-clients", "cn:a"],
			"--allow-clients needs --tls terminate, not passthrough",
		],
		[
			["--tls", "terminate", "--tls-cert", "c", "--tls-key", "k", "--allow-clients", "cn:a"],
			"--allow-clients needs --tls-client-ca",
		],
		[
			[
				"--tls",
				"terminate",
				"--tls-cert",
				"c",
				"--tls-key",
				"k",
				"--tls-client-ca",
				"a",
				"--allow-clients",
				"bob",
			],
			"--allow-clients: bob must begin with cn:, dns: or uri:",
		],
		[["--daemon-tls-cert", "c"], "--daemon-tls-cert needs --daemon-tls-ca"],
		[
			["--daemon-tls-ca", "a", "--daemon-tls-key", "k"],
			"--daemon-tls-cert and --daemon-tls-key are needed together",
		],
		[
			["--tls", "passthrough", "--daemon-tls-ca", "a"],
			"--daemon-tls-ca makes no sense with --tls passthrough",
		],
	])("%j", (argv, message) => {
		const { pools } = loadPools(sharedOptions, poolOptions, { argv: ["--daemons", "d:1", ...argv], env: {} });
		expect(() => pools.map(poolSettings)).toThrowError(invalid(message));
	});
});
