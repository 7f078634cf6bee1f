import type { Clock } from "../../common/clock.ts";
import type { KnownDaemon } from "../known-daemon.ts";
import type { PoolKey } from "../pool-key.ts";
import type { DaemonWord } from "./daemon-word.ts";

/** KEDA's poll and the HPA's read each make two calls, which share what was heard; a build that begins may be this late. */
const believedMs = 1_000;
/** An answer that was young enough when a call settled does not grow too old before it is read. */
const readWithinMs = 500;
/** A unary call answers within 1 s, whatever happens. */
const askMs = 800;
/** Daemons of one pool that are asked at once. */
const maxAtOnce = 64;

export interface ZeroVerifierOptions {
	readonly clock: Clock;
	/** Asks one daemon; answers within `limitMs`. */
	readonly ask: (address: string, limitMs: number) => Promise<DaemonWord>;
	readonly onAnswer: (word: DaemonWord) => void;
}

/** The answers of one time of asking. */
export interface Round {
	readonly answers: ReadonlyMap<string, DaemonWord>;
	readonly endedAt: number;
}

/** Asks the daemons of a pool whether they build, at most once a second, and keeps what they said. */
export class ZeroVerifier {
	readonly #options: ZeroVerifierOptions;
	readonly #rounds = new Map<PoolKey, Round>();
	readonly #asking = new Map<PoolKey, Promise<void>>();

	constructor(options: ZeroVerifierOptions) {
		this.#options = options;
	}

	/** What each of the daemons said, "unknown" if it was not asked just now. */
	words(key: PoolKey, daemons: readonly KnownDaemon[]): { daemon: KnownDaemon; word: DaemonWord }[] {
		const round = this.#fresh(key, believedMs + readWithinMs);
		const notAsked: DaemonWord = { t: "unknown", why: "it has not answered yet" };
		return daemons.map((daemon) => ({ daemon, word: round?.answers.get(daemon.address) ?? notAsked }));
	}

	/** What was heard last of the pool's daemons, however old; by address. */
	lastRound(key: PoolKey): Round | undefined {
		return this.#rounds.get(key);
	}

	/** Resolves, within a second, when `words` is as good as it gets. */
	async settle(key: PoolKey, daemons: readonly KnownDaemon[]): Promise<void> {
		const answers = this.#fresh(key, believedMs)?.answers;
		if (daemons.every(({ address }) => answers?.has(address))) return;
		const under = this.#asking.get(key);
		if (under !== undefined) return under;
		const round = this.#ask(key, daemons).finally(() => this.#asking.delete(key));
		this.#asking.set(key, round);
		return round;
	}

	#fresh(key: PoolKey, maxAgeMs: number): Round | undefined {
		const round = this.#rounds.get(key);
		return round !== undefined && this.#options.clock.now() - round.endedAt < maxAgeMs ? round : undefined;
	}

	async #ask(key: PoolKey, daemons: readonly KnownDaemon[]): Promise<void> {
		const { clock, ask, onAnswer } = this.#options;
		const answers = new Map<string, DaemonWord>();
		const waiting = [...new Set(daemons.map(({ address }) => address))];
		const endsAt = clock.now() + askMs;
		const askInTurn = async () => {
			for (let address = waiting.pop(); address !== undefined; address = waiting.pop()) {
				const limitMs = endsAt - clock.now();
				if (limitMs <= 0) return;
				const word = await ask(address, limitMs);
				answers.set(address, word);
				onAnswer(word);
			}
		};
		await Promise.all(Array.from({ length: Math.min(maxAtOnce, waiting.length) }, askInTurn));
		this.#rounds.set(key, { answers, endedAt: clock.now() });
	}
}
