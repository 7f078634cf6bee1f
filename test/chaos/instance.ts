import { appendFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CliProcess } from "../helpers/cli-process.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
/** A kubelet's probe, quicker. */
const probeMs = 500;
const probeTimeoutMs = 1_000;
const failureThreshold = 3;
/** From a pod's deletion until nobody sends it clients. */
const propagationMs = 300;

export interface InstanceOptions {
	readonly id: string;
	readonly host: string;
	readonly args: readonly string[];
	readonly env: NodeJS.ProcessEnv;
	readonly logFile: string;
}

/** One process of a proxy or a scaler, with what a kubelet and a Service know of it. */
export class Instance {
	readonly id: string;
	readonly host: string;
	readonly process: CliProcess;
	/** Also when it ends by itself. */
	readonly exited: Promise<void>;
	#alive = true;
	#ready = false;
	#frozen = false;
	#stopping = false;
	#written = 0;

	constructor({ id, host, args, env, logFile }: InstanceOptions) {
		this.id = id;
		this.host = host;
		this.process = new CliProcess(process.execPath, [main, ...args], { env });
		this.exited = this.process.exited.then(() => {
			this.#alive = false;
			this.#ready = false;
			this.#log(logFile);
		});
		void this.#probe(logFile);
	}

	get isAlive(): boolean {
		return this.#alive;
	}

	/** Whether the Service gives it new clients. */
	get isReady(): boolean {
		return this.#ready;
	}

	get isFrozen(): boolean {
		return this.#frozen;
	}

	/** Told to end by SIGTERM, and it may take its time. */
	get isStopping(): boolean {
		return this.#stopping;
	}

	get pid(): number {
		return this.process.child.pid ?? 0;
	}

	kill(): Promise<void> {
		this.process.child.kill("SIGKILL");
		return this.exited;
	}

	stop(): Promise<void> {
		this.#stopping = true;
		setTimeout(() => {
			this.#ready = false;
		}, propagationMs);
		this.process.child.kill("SIGTERM");
		return this.exited;
	}

	freeze(): void {
		this.#frozen = true;
		this.process.child.kill("SIGSTOP");
	}

	thaw(): void {
		this.#frozen = false;
		this.process.child.kill("SIGCONT");
	}

	/** Open file descriptors; 0 for one that has ended. */
	get descriptors(): number {
		try {
			return readdirSync(`/proc/${this.pid}/fd`).length;
		} catch {
			return 0;
		}
	}

	async #probe(logFile: string): Promise<void> {
		let failures = 0;
		while (this.#alive) {
			failures = (await this.#answers()) ? 0 : failures + 1;
			const isIn = failures === 0 || (this.#ready && failures < failureThreshold);
			this.#ready = this.#alive && !this.#stopping && isIn;
			this.#log(logFile);
			await new Promise((resolve) => setTimeout(resolve, probeMs));
		}
	}

	async #answers(): Promise<boolean> {
		try {
			const signal = AbortSignal.timeout(probeTimeoutMs);
			const response = await fetch(`http://${this.host}:8081/readyz`, { signal });
			await response.body?.cancel();
			return response.ok;
		} catch {
			return false;
		}
	}

	#log(file: string): void {
		const lines = this.process.lines.slice(this.#written);
		this.#written += lines.length;
		if (lines.length > 0) appendFileSync(file, lines.map(({ text }) => `${text}\n`).join(""));
	}
}
