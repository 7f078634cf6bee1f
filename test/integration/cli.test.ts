import net from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { listen } from "../../common/listen.ts";
import { CliProcess } from "../helpers/cli-process.ts";

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
