import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { findProgram } from "../tools/programs.ts";

const script = new URL("../../charts/buildkit-scaler/files/drain.sh", import.meta.url).pathname;

/** What the script may use of the daemons' images, as a folder for `PATH`. */
export function linkApplets(bin: string): void {
	const busybox = findProgram("busybox");
	for (const applet of ["wget", "timeout", "grep", "sleep"]) symlinkSync(busybox, join(bin, applet));
}

export interface DrainScript {
	readonly url: string;
	readonly pod: string;
	readonly port: number;
	/** These in seconds. */
	readonly timeout: number;
	readonly quiet: number;
	readonly call: number;
}

/** The chart's preStop hook, run by busybox with nothing on PATH but what is in `bin`. */
export function spawnDrainScript(bin: string, { url, pod, port, timeout, quiet, call }: DrainScript) {
	return spawn(findProgram("busybox"), ["sh", script, url, `${timeout}`, `${quiet}`, `${port}`, `${call}`], {
		env: { PATH: bin, BUILDKIT_SCALER_POD: pod, DRAIN_LOG: "/dev/null" },
		stdio: ["ignore", "pipe", "inherit"],
	});
}

/** The hook for pod `daemon-0`; killed when the test ends. */
export function runDrainScript(url: string, port: number, { timeout = 60, quiet = 2, call = 30 } = {}) {
	const bin = mkdtempSync(join(tmpdir(), "drain-"));
	linkApplets(bin);
	const child = spawnDrainScript(bin, { url, pod: "daemon-0", port, timeout, quiet, call });
	const lines: string[] = [];
	const heard = createInterface({ input: child.stdout });
	heard.on("line", (line) => lines.push(line));
	const ended = Promise.all([once(child, "exit"), once(heard, "close")]).then(([[code]]) => code);
	onTestFinished(() => {
		child.kill("SIGKILL");
		rmSync(bin, { recursive: true });
	});
	const said = async (text: string) => {
		while (!lines.some((line) => line.includes(text))) await once(heard, "line");
	};
	return { lines, ended, said };
}
