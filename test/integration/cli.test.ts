import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { listen } from "../../common/listen.ts";
import { CliProcess, secondSignalMs } from "../helpers/cli-process.ts";
import { RawClient } from "../helpers/raw-client.ts";

/** Runs to the end; the exit code and the only line on standard error. */
async function run(...args: readonly string[]): Promise<{ code: number | null; output: string }> {
	const started = CliProcess.start(...args);
	return { code: await started.exited, output: started.output };
}

describe("wrong usage is one line that names the field and what it must be, and exit code 2", () => {
	test.each([
		[[], "a command is needed; see buildkit-scaler --help"],
		[["build"], 'there is no command "build"; see buildkit-scaler --help'],
		[["proxy"], /^--daemons/],
		[
			["proxy", "--daemons", "a:1", "--daemons-dns", "b:1"],
			"--daemons, --daemons-service or --daemons-dns is needed, one of them: 2 are given",
		],
		[
			["proxy", "--daemons-dns", "b"],
			'--daemons-dns: must be NAME:PORT, or _service._tcp.NAME for SRV records, not "b"',
		],
		[["local", "--nats-creds", "f"], "--nats-creds, -nkey and -tls-* need --nats"],
		[["events"], 'there is no command "events"; see buildkit-scaler --help'],
		[["local", "--max-daemons", "0"], '--max-daemons: must be a whole number from 1 to 100, not "0"'],
	])("buildkit-scaler %j", async (args, line) => {
		const { code, output } = await run(...args);
		expect(code).toBe(2);
		const [prefix, message] = output.split("buildkit-scaler: ", 2);
		expect(prefix).toBe("");
		if (typeof line === "string") expect(output).toBe(`buildkit-scaler: ${line}`);
		else expect(message).toMatch(line);
	});
});

test.each(["local", "proxy", "scaler", "standalone"])(
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
		...["--nats", "nats://user:secret@127.0.0.1:1", "--drain-grace", "0s"],
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

test("a proxy that is to stop takes clients for --drain-grace more; a second signal ends it, with exit code 1", async () => {
	const started = CliProcess.start(
		"proxy",
		...["--daemons", "127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
		...["--nats", "nats://127.0.0.1:1", "--drain-grace", "1h"],
	);
	const [, port] = await started.line(/"port":(\d+).*"pool ready"/);
	const [, adminPort] = await started.line(/"admin":(\d+)/);
	// Signals have their meaning once all is up.
	await fetch(`http://127.0.0.1:${adminPort}/healthz`);
	started.child.kill("SIGTERM");
	await started.line(/draining/);
	const stoppedAt = performance.now();
	expect(await (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).text()).toContain("draining");
	const client = await RawClient.opened(Number(port));
	while (performance.now() - stoppedAt < secondSignalMs)
		await new Promise((resolve) => setTimeout(resolve, 10));
	started.child.kill("SIGTERM");
	expect(await started.exited).toBe(1);
	await client.closed;
});

describe("a proxy's configuration file, changed while it runs", () => {
	async function start(file: string) {
		const folder = mkdtempSync(join(tmpdir(), "bks-pools-"));
		onTestFinished(() => rmSync(folder, { recursive: true }));
		const path = join(folder, "pools.yaml");
		writeFileSync(path, file);
		const others = ["--admin", "127.0.0.1:0", "--nats", "nats://127.0.0.1:1", "--drain-grace", "0s"];
		const started = CliProcess.start("proxy", "--config", path, ...others);
		await started.line(/"proxy ready"/);
		return { started, change: (content: string) => writeFileSync(path, content) };
	}

	test("SIGHUP adds a pool; a wrong file changes nothing and is told", async () => {
		const pools = (...names: readonly string[]) =>
			`daemons: 127.0.0.1:1\npools:\n${names.map((name) => `  - {pool: ${name}, listen: "127.0.0.1:0"}\n`).join("")}`;
		const { started, change } = await start(pools("a"));
		await started.line(/"pool":"default\/a".*"pool ready"/);
		change(pools("a", "b"));
		started.child.kill("SIGHUP");
		await started.line(/"pools":\["default\/a","default\/b"\].*"configuration reloaded"/);
		change(pools("a", "B"));
		started.child.kill("SIGHUP");
		await started.line(/pools\[1\]: pool: must be a DNS label.*"configuration not reloaded/);
	});
});
