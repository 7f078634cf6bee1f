import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { loadConfig } from "./load-config.ts";
import { localCommand } from "./local.ts";
import { duration } from "./option.ts";
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
		expect(() => loadConfig(options, argv, {})).toThrowError(invalid(message));
	});

	test("but never repeats what may be a secret", () => {
		const argv = ["--nats", "http://user:secret@host"];
		const thrown = () => loadConfig(scalerCommand.options, argv, {});
		expect(thrown).toThrowError(invalid("--nats: must be a URL such as nats://127.0.0.1:4222"));
		expect(thrown).not.toThrowError(/secret/);
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
	expect(() => loadConfig(options, ["--config", path], {})).toThrowError(invalid(message));
});

test("flags come before the environment, that before the file, and the default last", () => {
	const path = configFile("maxWait: 3s\ncooldown: 3s\npoll: 3s\n");
	const env = {
		BUILDKIT_SCALER_CONFIG: path,
		BUILDKIT_SCALER_COOLDOWN: "2s",
		BUILDKIT_SCALER_MAX_WAIT: "2s",
		BUILDKIT_SCALER_POLL: "",
	};
	const config = loadConfig(options, ["--max-wait", "1s"], env);
	expect(config).toMatchObject({ maxWait: 1_000, cooldown: 2_000, poll: 3_000, wakeDelay: 0 });
	expect(Object.isFrozen(config)).toBe(true);
});

test("the defaults of local", () => {
	const { stateDir, ...config } = loadConfig(options, [], {});
	expect(stateDir).toMatch(/buildkit-scaler$/);
	expect(config).toEqual({
		listen: { host: "127.0.0.1", port: 1_234 },
		maxDaemons: 4,
		capacity: 4,
		balance: "pack",
		cooldown: 30_000,
		poll: 5_000,
		wakeDelay: 0,
		maxWait: 900_000,
		wakeOnStatus: false,
		drainTimeout: 10_800_000,
		daemon: "auto",
		admin: { host: "127.0.0.1", port: 8_081 },
		scalerListen: { host: "127.0.0.1", port: 6_000 },
		pool: "default",
		namespace: "default",
		logLevel: "warn",
	});
});

test("any duration in whole units is read as it is written", () => {
	const parts = fc.record({ h: fc.nat(500), m: fc.nat(59), s: fc.nat(59), ms: fc.nat(999) });
	fc.assert(
		fc.property(parts, ({ h, m, s, ms }) => {
			expect(duration.parse(`${h}h${m}m${s}s${ms}ms`)).toBe(((h * 60 + m) * 60 + s) * 1_000 + ms);
		}),
	);
});
