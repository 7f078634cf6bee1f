/**
 * npm run demo: the README's picture in motion. A pool asleep, one stock `buildctl` build, then six at once with two
 * builds a daemon, then zero again. Every line says how many milliseconds have passed since the first accept.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../common/clock.ts";
import { createLogger } from "../common/log.ts";
import { type Local, startLocal } from "../local/local.ts";
import { formatObservation } from "../local/narrator.ts";
import type { Observation } from "../local/observation.ts";
import { findProgram } from "../test/tools/programs.ts";

const cooldownMs = 5_000;
const anyPort = { host: "127.0.0.1", port: 0 };

/** Prints what happens, in ms since the first client of the current act was accepted. */
class Timeline {
	#startedAt: number | undefined;

	begin(title: string): void {
		this.#startedAt = undefined;
		console.log(`\n${title}`);
	}

	print(observation: Observation): void {
		if (observation.t === "buildWaiting") {
			const acceptedAt = observation.at - observation.afterMs;
			this.#startedAt ??= acceptedAt;
			this.#line(acceptedAt, `build ${observation.build}  accepted`);
		}
		this.#line(observation.at, formatObservation(observation));
	}

	#line(at: number, text: string): void {
		const sinceMs = at - (this.#startedAt ?? at);
		console.log(`${`+${sinceMs.toFixed(1)}`.padStart(10)} ms  ${text}`);
	}
}

/** A folder that builds without any network; each has a RUN step of its own, so that nothing comes from the cache. */
function writeContext(folder: string, name: string, shell: string): string {
	const context = join(folder, name);
	mkdirSync(context);
	copyFileSync(findProgram("busybox"), join(context, "busybox"));
	const run = JSON.stringify(["/bin/busybox", "sh", "-c", `${shell} # ${name} ${Date.now()}`]);
	writeFileSync(join(context, "Dockerfile"), `FROM scratch\nCOPY busybox /bin/busybox\nRUN ${run}\n`);
	return context;
}

/** Stock `buildctl build`; its progress is shown only when it fails. */
async function build(address: string, context: string): Promise<void> {
	const child = spawn(
		findProgram("buildctl"),
		[
			...["--addr", address, "build", "--progress=plain", "--frontend", "dockerfile.v0"],
			...["--local", `context=${context}`, "--local", `dockerfile=${context}`],
		],
		{ stdio: ["ignore", "ignore", "pipe"] },
	);
	let progress = "";
	child.stderr.setEncoding("utf8").on("data", (text: string) => {
		progress += text;
	});
	const [code] = await once(child, "close");
	if (code !== 0) throw new Error(`buildctl exited with ${code}:\n${progress}`);
}

function zero(local: Local): Promise<void> {
	return new Promise((resolve) => {
		const stop = local.onObservation((observation) => {
			if (observation.t !== "daemonStopped" || observation.left > 0) return;
			stop();
			resolve();
		});
	});
}

async function demo(folder: string): Promise<void> {
	const local = await startLocal(
		{
			listen: anyPort,
			admin: anyPort,
			scalerListen: anyPort,
			maxDaemons: 4,
			capacity: 2,
			balance: "pack",
			affinityBy: "identity",
			fairBy: "none",
			maxPerTenant: undefined,
			cooldownMs,
			pollMs: 1_000,
			wakeDelayMs: 0,
			wakeOnStatus: false,
			maxWaitMs: 60_000,
			frozenAfterMs: 300_000,
			drainTimeoutMs: 60_000,
			daemon: "buildkitd",
			stateDir: join(folder, "state"),
			pool: "default",
			namespace: "default",
		},
		{ clock: systemClock, log: createLogger("warn") },
	);
	process.once("SIGINT", () => void local.kill().then(() => process.exit(1)));
	const timeline = new Timeline();
	local.onObservation((observation) => timeline.print(observation));
	const address = `tcp://127.0.0.1:${local.listening.port}`;
	try {
		timeline.begin("One build on a pool of zero daemons");
		await build(address, writeContext(folder, "one", "echo built"));
		timeline.begin("Six builds at once, two a daemon");
		const asleep = zero(local);
		const names = ["a", "b", "c", "d", "e", "f"];
		await Promise.all(names.map((name) => build(address, writeContext(folder, name, "sleep 2"))));
		console.log(`\nNobody builds: zero daemons after the cooldown of ${cooldownMs / 1_000} s`);
		await asleep;
	} finally {
		await local.drain();
	}
}

const folder = mkdtempSync(join(tmpdir(), "bks-demo-"));
try {
	await demo(folder);
	console.log("\nSeven builds, none failed, nothing is running.");
} finally {
	rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
