import { ChannelCredentials, type ServiceError } from "@grpc/grpc-js";
import type { TlsCredentials } from "../../common/tls-credentials.ts";
import { type ControlClient, connectControl } from "../../protos/buildkit-control.ts";
import { type DaemonWord, wordOfFailure } from "./daemon-word.ts";

/** How daemons are spoken to. */
export interface DaemonTls {
	readonly credentials: TlsCredentials;
	/** What their certificates name, if not the address that is connected to. */
	readonly serverName: string | undefined;
}

/** As many connections are kept for the next question. */
const maxKept = 1_000;

/** Asks daemons whether they build. */
export class Daemons {
	readonly #tls: DaemonTls | undefined;
	/** Those that answered last time, by address; least recently asked first. */
	readonly #kept = new Map<string, ControlClient>();
	#context: unknown;

	constructor(tls: DaemonTls | undefined) {
		this.#tls = tls;
		this.#context = tls?.credentials.context;
	}

	/** Answers within `limitMs`, one way or the other. */
	async ask(address: string, limitMs: number): Promise<DaemonWord> {
		const client = this.#take(address);
		try {
			const count = await client.activeBuilds(limitMs);
			this.#keep(address, client);
			return { t: "builds", count };
		} catch (error) {
			// Kept, a channel that failed would refuse for a while by itself, also once the daemon is there.
			client.close();
			return wordOfFailure(error as ServiceError, limitMs);
		}
	}

	close(): void {
		for (const client of this.#kept.values()) client.close();
		this.#kept.clear();
	}

	#take(address: string): ControlClient {
		if (this.#context !== this.#tls?.credentials.context) {
			this.#context = this.#tls?.credentials.context;
			this.close();
		}
		const kept = this.#kept.get(address);
		this.#kept.delete(address);
		return kept ?? connectControl(address, this.#credentials(), this.#tls?.serverName);
	}

	#keep(address: string, client: ControlClient): void {
		// Somebody else asked at the same time.
		this.#kept.get(address)?.close();
		this.#kept.delete(address);
		this.#kept.set(address, client);
		const [oldest] = this.#kept;
		if (oldest === undefined || this.#kept.size <= maxKept) return;
		oldest[1].close();
		this.#kept.delete(oldest[0]);
	}

	#credentials(): ChannelCredentials {
		if (this.#tls === undefined) return ChannelCredentials.createInsecure();
		return ChannelCredentials.createFromSecureContext(this.#tls.credentials.context);
	}
}
