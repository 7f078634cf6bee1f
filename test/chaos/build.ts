import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CliProcess } from "../helpers/cli-process.ts";
import { findProgram } from "../tools/programs.ts";
import type { Front, Passing } from "./front.ts";

/** The daemon that a proxy's log says a client's connection got. */
interface Served {
	readonly daemon: string;
	readonly atMs: number;
}

/** One stock `buildctl build` with a RUN step of some seconds. Times are `performance.now`. */
export class Build {
	readonly number: number;
	readonly seconds: number;
	readonly startedAt: number;
	/** Resolves with whether it succeeded. */
	readonly ended: Promise<boolean>;
	readonly #process: CliProcess;
	readonly #front: Front;
	#endedAt: number | undefined;

	/** @param context - A folder with busybox. */
	constructor(number: number, seconds: number, front: Front, context: string, folder: string) {
		this.number = number;
		this.seconds = seconds;
		this.#front = front;
		const dockerfile = join(folder, `build-${number}`);
		mkdirSync(dockerfile);
		const run = JSON.stringify(["/bin/busybox", "sh", "-c", `sleep ${seconds} # ${number}`]);
		const lines = ["FROM scratch", "COPY busybox /bin/busybox", `RUN ${run}`];
		writeFileSync(join(dockerfile, "Dockerfile"), `${lines.join("\n")}\n`);
		this.startedAt = performance.now();
		this.#process = new CliProcess(findProgram("buildctl"), [
			...["--addr", `tcp://127.0.0.1:${front.port}`],
			...["build", "--progress=plain", "--frontend", "dockerfile.v0"],
			...["--local", `context=${context}`, "--local", `dockerfile=${dockerfile}`],
		]);
		this.ended = this.#process.exited.then((code) => {
			this.#endedAt = performance.now();
			front.close();
			rmSync(dockerfile, { recursive: true });
			return code === 0;
		});
	}

	get endedAt(): number | undefined {
		return this.#endedAt;
	}

	get passings(): readonly Passing[] {
		return this.#front.passings;
	}

	get output(): string {
		return this.#process.output;
	}

	/** When its daemon said the first word. */
	get servedAt(): number | undefined {
		return this.#atOf(/^#\d/);
	}

	/** From when on until when its RUN step runs for sure. */
	get runs(): { readonly from: number; readonly until: number } | undefined {
		const from = this.#atOf(/^#\d+ .*RUN .*sleep/);
		if (from === undefined) return undefined;
		// What it says may have been on the way for as long as something was frozen, so it may end that much sooner.
		return { from, until: Math.min(this.#endedAt ?? Number.POSITIVE_INFINITY, from + this.seconds * 1_000) };
	}

	/** Which daemon each of its connections got, as the proxies' logs have it. */
	servedBy(): readonly (Served & { readonly passing: Passing })[] {
		return this.passings.flatMap((passing) => {
			const served = servedIn(passing);
			return served === undefined ? [] : [{ ...served, passing }];
		});
	}

	/** kill -9. */
	kill(): void {
		this.#process.child.kill("SIGKILL");
	}

	#atOf(pattern: RegExp): number | undefined {
		const line = this.#process.lines.find(({ text }) => pattern.test(text));
		return line === undefined ? undefined : this.#process.startedAt + line.atMs;
	}
}

function servedIn({ instance, client }: Passing): Served | undefined {
	const line = instance.process.lines.find(
		({ text }) => text.includes(`"${client}"`) && text.includes('"build served"'),
	);
	if (line === undefined) return undefined;
	const { daemon, time } = JSON.parse(line.text) as { daemon: string; time: number | string };
	return { daemon, atMs: new Date(time).getTime() - performance.timeOrigin };
}
