#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { ScalerError } from "../common/error.ts";
import type { Command, Running } from "./command.ts";
import { eventsStreamCommand, eventsTailCommand } from "./events.ts";
import { commandHelp, mainHelp } from "./help.ts";
import { localCommand } from "./local.ts";
import { proxyCommand } from "./proxy.ts";
import { scalerCommand } from "./scaler.ts";
import { standaloneCommand } from "./standalone.ts";

const commands: readonly Command[] = [
	localCommand,
	proxyCommand,
	scalerCommand,
	standaloneCommand,
	eventsTailCommand,
	eventsStreamCommand,
];

/** Exit codes: clean stop, failure, wrong usage. */
const exit = { clean: 0, failed: 1, usage: 2 } as const;

async function main(words: readonly string[]): Promise<void> {
	const [name] = words;
	if (name === "--version") return print(`${version()}\n`);
	if (name === "--help" || name === "-h") return print(mainHelp(commands));
	// A command may have two words: events tail.
	const command = commands.find((candidate) =>
		candidate.name.split(" ").every((word, at) => words[at] === word),
	);
	if (command === undefined) {
		const what = name === undefined ? "a command is needed" : `there is no command "${name.slice(0, 60)}"`;
		throw new ScalerError("CONFIG_INVALID", `${what}; see buildkit-scaler --help`);
	}
	const argv = words.slice(command.name.split(" ").length);
	if (argv.includes("--help") || argv.includes("-h")) return print(commandHelp(command, command.options));
	let running: Running | undefined;
	// From the start: until the command is up there is nothing to read again, but SIGHUP must not end it.
	if (command.reloads) process.on("SIGHUP", () => void running?.reload?.());
	running = await command.start({ argv, env: process.env });
	stopOnSignals(running);
}

/** One Ctrl-C under npm arrives twice: from the terminal, and passed on by npm. This close together it is one. */
const sameSignalMs = 200;

/** The first signal lets builds end, the second does not; that is not a clean stop. */
function stopOnSignals(running: Running): void {
	let signals = 0;
	let lastAt = Number.NEGATIVE_INFINITY;
	const stop = () => {
		const now = performance.now();
		if (now - lastAt < sameSignalMs) return;
		lastAt = now;
		signals++;
		const stopped = signals === 1 ? running.drain() : running.kill();
		stopped.then(() => process.exit(signals === 1 ? exit.clean : exit.failed), fail);
	};
	process.on("SIGTERM", stop);
	process.on("SIGINT", stop);
}

/** Of the package that this file is in, from source and from dist/ alike. */
function version(): string {
	const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
	return String(version);
}

function print(text: string): void {
	process.stdout.write(text);
}

/** One clear line, and the exit code that says whose mistake it was. */
function fail(thrown: unknown): void {
	const error = ScalerError.from(thrown);
	process.stderr.write(`buildkit-scaler: ${error.message}\n`);
	if (error.code === "INTERNAL")
		process.stderr.write(`${error.cause instanceof Error ? error.cause.stack : error.stack}\n`);
	process.exit(error.code === "CONFIG_INVALID" ? exit.usage : exit.failed);
}

main(process.argv.slice(2)).catch(fail);
