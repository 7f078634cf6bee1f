// node test/cluster/main.ts up | down | status | kubectl …: a Kubernetes with KEDA on this machine, by hand.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { findProgram } from "../tools/programs.ts";
import { ToolError } from "../tools/tool-error.ts";
import { clean } from "./clean.ts";
import { buildImage } from "./images/build-image.ts";
import { buildkitd } from "./images/buildkitd.ts";
import { clientEnv } from "./kubectl.ts";
import { files } from "./layout.ts";
import { leftOvers } from "./left-overs.ts";
import { takeLock } from "./lock.ts";
import { phase, say } from "./phases.ts";
import { isAlive } from "./processes.ts";
import { startCluster } from "./start-cluster.ts";
import { readState } from "./state.ts";

async function up(): Promise<void> {
	const buildkitdTar = await phase("buildkitd image", async () => buildImage(await buildkitd()));
	await startCluster({ images: [buildkitdTar], detached: true });
	say(`export KUBECONFIG=${files.kubeconfig}`);
}

async function down(): Promise<void> {
	const lock = await takeLock();
	await phase("down", clean);
	await lock.release();
}

async function status(): Promise<void> {
	const state = readState();
	if (state === undefined) {
		const found = await leftOvers();
		say(found.length === 0 ? "down" : `down, but the next start has to remove:\n${found.join("\n")}`);
		return;
	}
	for (const [name, ref] of Object.entries(state.processes)) {
		console.log(name.padEnd(16), isAlive(ref) ? `runs as ${ref.pid}` : "ended");
	}
	await kubectl(["get", "nodes,pods", "--all-namespaces", "--output=wide"]);
}

function kubectl(args: readonly string[]): Promise<void> {
	if (!existsSync(files.kubeconfig)) throw new ToolError("no cluster is up (npm run cluster -- up)");
	return new Promise((resolve, reject) => {
		const child = spawn(findProgram("kubectl"), args, { stdio: "inherit", env: clientEnv() });
		child.on("error", reject);
		child.on("close", (code) => {
			process.exitCode = code ?? 1;
			resolve();
		});
	});
}

// Ctrl-C: what has been started must not stay. Its own processes do not get the signal, see component.ts.
async function cleanAndExit(): Promise<void> {
	await clean();
	process.exit(1);
}

const [command, ...rest] = process.argv.slice(2);
try {
	if (command === "up") {
		process.once("SIGINT", cleanAndExit).once("SIGTERM", cleanAndExit);
		await up();
	} else if (command === "down") await down();
	else if (command === "status") await status();
	else if (command === "kubectl") await kubectl(rest);
	else throw new ToolError("usage: npm run cluster -- up | down | status | kubectl …");
} catch (error) {
	if (!(error instanceof ToolError)) throw error;
	say(error.message);
	if (error.details !== "") process.stderr.write(`${error.details}\n`);
	process.exitCode = 1;
}
