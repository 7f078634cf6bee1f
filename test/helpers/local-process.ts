import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ProxyState } from "../../proxy/observe/state.ts";
import { CliProcess } from "./cli-process.ts";

export interface LocalProcess {
	readonly process: CliProcess;
	/** For clients: tcp://127.0.0.1:PORT. */
	readonly address: string;
	readonly port: number;
	readonly scalerAddress: string;
	readonly stateDir: string;
	state(): Promise<ProxyState["pools"][number]>;
	metrics(): Promise<string>;
	/** Resolves once `check` holds for the state, asked every 20 ms. */
	until(check: (state: ProxyState["pools"][number]) => boolean): Promise<void>;
}

/** `buildkit-scaler local` with ports and a state directory of its own. */
export async function startLocalProcess(...flags: readonly string[]): Promise<LocalProcess> {
	const stateDir = mkdtempSync(join(tmpdir(), "bks-"));
	onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
	const anyPort = "127.0.0.1:0";
	const started = CliProcess.start(
		"local",
		...["--listen", anyPort, "--admin", anyPort, "--scaler-listen", anyPort],
		...["--state-dir", stateDir, "--daemon", "buildkitd", ...flags],
	);
	const [, address = ""] = await started.line(/build: +buildctl --addr (\S+)/);
	const [, admin = ""] = await started.line(/watch: +(\S+)\/state/);
	const [, scalerAddress = ""] = await started.line(/scaler: +(\S+)/);
	const state = async () => {
		const [pool] = ((await (await fetch(`${admin}/state`)).json()) as ProxyState).pools;
		if (pool === undefined) throw new Error("no pool in /state");
		return pool;
	};
	return {
		process: started,
		address,
		port: Number(new URL(address).port),
		scalerAddress,
		stateDir,
		state,
		metrics: async () => (await fetch(`${admin}/metrics`)).text(),
		async until(check) {
			while (!check(await state())) await new Promise((resolve) => setTimeout(resolve, 20));
		},
	};
}
