import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import net from "node:net";
import { promisify } from "node:util";
import { ScalerError } from "../../common/error.ts";
import { listen } from "../../common/listen.ts";
import { signalProcess } from "../processes.ts";
import { findProgram, programPath } from "../programs.ts";
import type { StateDirectory } from "../state-directory.ts";
import { startChild } from "./child.ts";
import { type DaemonKind, daemonName } from "./kind.ts";

const run = promisify(execFile);

/** Pinned, so that the same commit runs the same daemon; as test/tools builds it. */
const buildkitImage = "moby/buildkit:v0.33.1";
const portInContainer = 1234;

/** The docker client, when its engine answers within 2 s. Rejects with DAEMON_START_FAILED, saying why not. */
export async function findDocker(path: string = programPath()): Promise<string> {
	const docker = findProgram("docker", path);
	if (docker === undefined) throw unusable("docker is not on PATH");
	try {
		await run(docker, ["version", "--format", "{{.Server.Version}}"], { timeout: 2_000 });
	} catch (cause) {
		throw unusable("no docker engine answers", cause);
	}
	return docker;
}

/** `docker run`, in the foreground: its exit is the daemon's. The volume keeps the cache, as --root does elsewhere. */
export function dockerRunArgs(container: string, port: number): string[] {
	return [
		...["run", "--rm", "--privileged", "--name", container],
		...["--publish", `127.0.0.1:${port}:${portInContainer}`],
		...["--volume", `${container}:/var/lib/buildkit`],
		...[buildkitImage, "--addr", `tcp://0.0.0.0:${portInContainer}`],
	];
}

/** Different for each state directory, the same for each run on it. */
export function containerName(statePath: string, ordinal: number): string {
	const run = createHash("sha256").update(statePath).digest("hex").slice(0, 8);
	return `buildkit-scaler-${run}-${ordinal}`;
}

/** buildkitd in privileged containers. Removes those that a killed run on the same state directory left behind. */
export async function dockerKind(
	docker: string,
	state: StateDirectory,
	maxDaemons: number,
): Promise<DaemonKind> {
	const ordinals = Array.from({ length: maxDaemons }, (_, ordinal) => ordinal);
	const name = (ordinal: number) => containerName(state.path, ordinal);
	const remove = async (...containers: string[]) => {
		// It fails when there is none, too.
		await run(docker, ["rm", "--force", ...containers], { timeout: 10_000 }).catch(() => {});
	};
	await remove(...ordinals.map(name));
	const ports = await freePorts(maxDaemons);
	const port = (ordinal: number) => {
		const free = ports[ordinal];
		if (free === undefined) throw new ScalerError("INTERNAL", `no port for daemon ${ordinal}`);
		return free;
	};
	return {
		t: "docker",
		describe: () => `docker containers of ${buildkitImage}`,
		address: (ordinal) => ({ t: "tcp", host: "127.0.0.1", port: port(ordinal) }),
		spawn(ordinal) {
			return startChild(
				{
					program: docker,
					args: dockerRunArgs(name(ordinal), port(ordinal)),
					path: programPath(),
					logFile: state.log(daemonName(ordinal)),
					pidFile: state.pid(daemonName(ordinal)),
				},
				{
					// The client hands SIGTERM on to the container (--sig-proxy).
					terminate: (pid) => void signalProcess(pid, "SIGTERM"),
					kill: (pid) => void remove(name(ordinal)).finally(() => signalProcess(-pid, "SIGKILL")),
				},
			);
		},
	};
}

/** Ports nobody listens on now, chosen by the kernel while all are held open, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
	const servers = Array.from({ length: count }, () => net.createServer());
	const listening = await Promise.all(
		servers.map((server) => listen(server, { host: "127.0.0.1", port: 0 })),
	);
	await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
	return listening.map(({ port }) => port);
}

function unusable(why: string, cause?: unknown): ScalerError {
	return new ScalerError("DAEMON_START_FAILED", `cannot run daemons in docker: ${why}`, { cause });
}
