import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { findProgram } from "../tools/programs.ts";

/** A folder of the test's own; short, for the unix sockets in it. */
export function temporaryFolder(): string {
	const dir = mkdtempSync(join(tmpdir(), "bks-"));
	onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 3 }));
	return dir;
}

/** A build context of one RUN step: busybox with these arguments. */
export function contextRunning(...busyboxArgs: readonly string[]): string {
	const dir = temporaryFolder();
	copyFileSync(findProgram("busybox"), join(dir, "busybox"));
	const command = JSON.stringify(["/bin/busybox", ...busyboxArgs]);
	writeFileSync(join(dir, "Dockerfile"), `FROM scratch\nCOPY busybox /bin/busybox\nRUN ${command}\n`);
	return dir;
}

export interface Client {
	readonly process: ChildProcess;
	/** Its exit code and everything it said. */
	readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

export function buildctl(address: string, ...args: readonly string[]): Client {
	const child = spawn(findProgram("buildctl"), ["--addr", address, ...args], { stdio: "pipe" });
	let output = "";
	for (const stream of [child.stdout, child.stderr]) {
		stream.setEncoding("utf8").on("data", (text: string) => {
			output += text;
		});
	}
	const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
		child.once("close", (code) => resolve({ code, output }));
	});
	onTestFinished(() => void child.kill("SIGKILL"));
	return { process: child, ended };
}

/** Builds with nothing taken from the cache, so that the RUN step runs. */
export function build(address: string, context: string): Client {
	const locals = ["--local", `context=${context}`, "--local", `dockerfile=${context}`];
	return buildctl(address, "build", "--frontend", "dockerfile.v0", "--no-cache", ...locals);
}

/** Resolves once `check` holds of the machine, which tells nobody when it changes. The test's time limit applies. */
export async function until(check: () => boolean): Promise<void> {
	while (!check()) await sleep(10);
}
