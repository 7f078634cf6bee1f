import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { listen } from "../../common/listen.ts";
import { CliProcess } from "../helpers/cli-process.ts";

/** Runs to the end; the exit code and the only line on standard error. */
async function run(...args: readonly string[]): Promise<{ code: number | null; output: string }> {
	const started = CliProcess.start(...args);
	return { code: await started.exited, output: started.output };
}

function configFile(content: string): string {
	const folder = mkdtempSync(join(tmpdir(), "bks-config-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const path = join(folder, "config.yaml");
	writeFileSync(path, content);
	return path;
}

describe("wrong usage is one line that names the field and what it must be, and exit code 2", () => {
	test.each([
		[[], "a command is needed; see buildkit-scaler --help"],
		[["build"], 'there is no command "build"; see buildkit-scaler --help'],
		[["local", "--max-daemons", "many"], '--max-daemons: must be a whole number from 1 to 100, not "many"'],
		[["local", "--max-daemons", "0"], '--max-daemons: must be a whole number from 1 to 100, not "0"'],
		[
			["local", "--cooldown", "30"],
			'--cooldown: must be a duration such as 30s, 5m or 1h30m, at most 24 days, not "30"',
		],
		[["local", "--listen", "1234"], '--listen: must be HOST:PORT, such as 127.0.0.1:1234, not "1234"'],
		[
			["local", "--daemon", "podman"],
			'--daemon: must be one of auto, buildkitd, docker, simulated, not "podman"',
		],
		[
			["local", "--pool", "My_Pool"],
			"--pool: must be a DNS label: up to 63 lower-case letters, digits and '-', not \"My_Pool\"",
		],
		[["local", "--colour", "red"], "--colour is not an option; see --help"],
		[["local", "--capacity"], "--capacity needs a value"],
		[["local", "--capacity", "1", "--capacity", "2"], "--capacity is given twice"],
		[["local", "extra"], '"extra" is not expected; see --help'],
		[["proxy", "--daemons", "nowhere"], '--daemons: must be HOST:PORT[,HOST:PORT...], not "nowhere"'],
		[["scaler", "--nats", "http://user:secret@host"], "--nats: must be a URL such as nats://127.0.0.1:4222"],
		[
			["local", "--config", "/nowhere/config.yaml"],
			"--config /nowhere/config.yaml: ENOENT: no such file or directory, open '/nowhere/config.yaml'",
		],
	])("buildkit-scaler %j", async (args, line) => {
		expect(await run(...args)).toEqual({ code: 2, output: `buildkit-scaler: ${line}` });
	});

	test.each([
		["capacity: 0\n", ': capacity: must be a whole number from 1 to 10000, not "0"'],
		["capcity: 4\n", ": capcity is not an option ("],
		["- capacity\n", ": must be a mapping of options to values"],
		["capacity: [\n", ": "],
		["cooldown: {a: 1}\n", ": cooldown: must be a duration"],
	])("a file with %j", async (content, message) => {
		const { code, output } = await run("local", "--config", configFile(content));
		expect(code).toBe(2);
		expect(output).toContain(message);
		expect(output.split("\n")).toHaveLength(1);
	});
});

test("flags come before the environment, and that before the file", async () => {
	const path = configFile("maxWait: nonsense from the file\ncooldown: nonsense from the file\n");
	const started = new CliProcess(
		process.execPath,
		["cli/main.ts", "local", "--config", path, "--max-wait", "1s"],
		{
			env: { BUILDKIT_SCALER_COOLDOWN: "nonsense from the environment", BUILDKIT_SCALER_MAX_WAIT: "unread" },
		},
	);
	expect(await started.exited).toBe(2);
	expect(started.output).toMatch(/^buildkit-scaler: BUILDKIT_SCALER_COOLDOWN: must be a duration/);
});

test.each(["local", "proxy", "scaler"])(
	"%s --help shows every option with its default and variable",
	async (name) => {
		const { code, output } = await run(name, "--help");
		expect(code).toBe(0);
		expect(output).toContain("Usage: buildkit-scaler");
		const flags = [...output.matchAll(/^ {2}--([a-z-]+) [A-Z]/gm)].map(([, flag = ""]) => flag);
		expect(flags.length).toBeGreaterThan(4);
		for (const flag of flags) {
			expect(output).toContain(`env: BUILDKIT_SCALER_${flag.toUpperCase().replaceAll("-", "_")}`);
		}
	},
);

test("an address in use is a failure, said in one line, with exit code 1", async () => {
	const server = net.createServer();
	const { port } = await listen(server, { host: "127.0.0.1", port: 0 });
	onTestFinished(() => void server.close());
	const { code, output } = await run("scaler", "--listen", `127.0.0.1:${port}`, "--admin", "127.0.0.1:0");
	expect(code).toBe(1);
	expect(output).toBe(`buildkit-scaler: cannot listen on 127.0.0.1:${port}: the address is in use`);
});

test("a proxy without NATS is alive and not ready, with the reason, and stops cleanly", async () => {
	const started = CliProcess.start(
		"proxy",
		...["--daemons", "127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
		...["--nats", "nats://user:secret@127.0.0.1:1"],
	);
	const [, port] = await started.line(/"admin":(\d+)/);
	const get = async (path: string) => {
		const response = await fetch(`http://127.0.0.1:${port}${path}`);
		return { status: response.status, body: await response.text() };
	};
	expect(await get("/healthz")).toMatchObject({ status: 200 });
	expect(await get("/readyz")).toMatchObject({ status: 503, body: expect.stringContaining("not ready: ") });
	expect(await get("/state")).toMatchObject({ status: 200 });
	expect((await get("/metrics")).body).toContain("buildkit_proxy_builds");
	expect(await get("/nowhere")).toMatchObject({ status: 404 });
	started.child.kill("SIGTERM");
	expect(await started.exited).toBe(0);
	expect(started.output).not.toContain("secret");
});
