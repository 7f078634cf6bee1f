import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { onTestFinished } from "vitest";
import { findProgram } from "../tools/programs.ts";
import { runCommand } from "../tools/run-command.ts";

type Child = ChildProcessByStdio<Writable, Readable, null>;

/**
 * Another host, as far as TCP can tell: a network namespace of this machine behind a virtual cable, which a test can cut.
 * Needs root. Gone when the test ends.
 */
export class OtherHost {
	/** This machine's address on the cable, and the other host's. Link-local, so that no route of the machine is shadowed. */
	readonly here: string;
	readonly there: string;
	readonly #name: string;
	readonly #children: Child[] = [];

	private constructor(name: string, network: string) {
		this.#name = name;
		this.here = `${network}.1`;
		this.there = `${network}.2`;
	}

	static async start(): Promise<OtherHost> {
		// Unique on the machine, and an interface's name has at most 15 characters.
		const name = `bks${process.pid}`;
		const host = new OtherHost(name, `169.254.${process.pid % 254 || 1}`);
		onTestFinished(() => host.#remove());
		const inside = `${name}p`;
		await ip("netns", "add", name);
		await ip("link", "add", name, "type", "veth", "peer", "name", inside, "netns", name);
		await ip("addr", "add", `${host.here}/30`, "dev", name);
		await ip("link", "set", name, "up");
		await ip("-n", name, "addr", "add", `${host.there}/30`, "dev", inside);
		await ip("-n", name, "link", "set", inside, "up");
		await ip("-n", name, "link", "set", "lo", "up");
		return host;
	}

	/** Runs a module of these tests there, with this Node. */
	run(modulePath: string, args: readonly string[]): Child {
		const command = ["netns", "exec", this.#name, process.execPath, modulePath, ...args];
		const child = spawn(findProgram("ip"), command, { stdio: ["pipe", "pipe", "inherit"] });
		this.#children.push(child);
		return child;
	}

	/** From now on nothing arrives there, and nothing from there: no FIN, no RST, no ACK. */
	async cutCable(): Promise<void> {
		await ip("-n", this.#name, "link", "set", `${this.#name}p`, "down");
	}

	async #remove(): Promise<void> {
		for (const child of this.#children) child.kill("SIGKILL");
		// The cable goes with either of its ends.
		await ip("link", "del", this.#name);
		await ip("netns", "del", this.#name);
	}
}

function ip(...args: readonly string[]): Promise<string> {
	return runCommand(findProgram("ip"), args);
}
