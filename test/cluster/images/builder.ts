import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram, toolsPath } from "../../tools/programs.ts";
import { runCommand } from "../../tools/run-command.ts";
import { ToolError } from "../../tools/tool-error.ts";

const READY_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 10_000;

export interface Builder {
	buildctl(args: readonly string[]): Promise<string>;
	/** A folder that goes with the builder. */
	readonly folder: string;
}

/** Runs `work` with a buildkitd of its own, which ends with it. */
export async function withBuilder<T>(work: (builder: Builder) => Promise<T>): Promise<T> {
	// In the system's temporary folder: the socket's path must stay short.
	const folder = mkdtempSync(join(tmpdir(), "bks-builder-"));
	const address = `unix://${folder}/s`;
	const logPath = join(folder, "log");
	const log = openSync(logPath, "a");
	const worker = ["--oci-worker=true", "--containerd-worker=false", "--oci-worker-net=host"];
	const daemon = spawn(
		findProgram("buildkitd"),
		["--addr", address, "--root", join(folder, "root"), ...worker],
		{
			stdio: ["ignore", log, log],
			env: { PATH: toolsPath(), HOME: folder },
		},
	);
	closeSync(log);
	const ended = new Promise<void>((resolve) => {
		daemon.once("exit", () => resolve());
		daemon.once("error", () => resolve());
	});
	const builder: Builder = {
		folder,
		buildctl: (args) => runCommand(findProgram("buildctl"), ["--addr", address, ...args]),
	};
	try {
		await waitUntilReady(builder, () => daemon.exitCode !== null, logPath);
		return await work(builder);
	} finally {
		// SIGTERM, so that it unmounts what it mounted.
		daemon.kill("SIGTERM");
		const overdue = setTimeout(() => daemon.kill("SIGKILL"), END_TIMEOUT_MS);
		await ended;
		clearTimeout(overdue);
		rmSync(folder, { recursive: true, force: true });
	}
}

async function waitUntilReady(builder: Builder, hasEnded: () => boolean, logPath: string): Promise<void> {
	const deadline = performance.now() + READY_TIMEOUT_MS;
	for (;;) {
		try {
			await builder.buildctl(["debug", "workers"]);
			return;
		} catch (error) {
			if (hasEnded() || performance.now() > deadline) {
				throw new ToolError(`the images' buildkitd does not start: ${error}`, readFileSync(logPath, "utf8"));
			}
			await sleep(50);
		}
	}
}
