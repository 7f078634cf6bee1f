import type { CloseReason } from "../../events/schema.ts";
import type { ConnectionMove } from "../connection/move.ts";
import type { Limits } from "../limits.ts";

type GateLimits = Pick<Limits, "maxConnections" | "maxConnectionsPerAddress" | "maxOpening">;

/**
 * Who may come in: counts the connections that are here, by address and by whether they have said what they want.
 * The newest is refused, as the handshake's own time limit takes care of the oldest.
 */
export class Gate {
	readonly #limits: GateLimits;
	/** By connection, its client's address. */
	readonly #here = new Map<string, string>();
	readonly #byAddress = new Map<string, number>();
	readonly #handshakes = new Set<string>();

	constructor(limits: GateLimits) {
		this.#limits = limits;
	}

	/** Why one more connection from this address must not come in; undefined when it may. */
	refusal(address: string): CloseReason | undefined {
		const { maxConnections, maxConnectionsPerAddress, maxOpening } = this.#limits;
		if (this.#here.size >= maxConnections) return "tooManyConnections";
		if ((this.#byAddress.get(address) ?? 0) >= maxConnectionsPerAddress) return "tooManyFromAddress";
		return this.#handshakes.size >= maxOpening ? "tooManyHandshakes" : undefined;
	}

	/** Told of every move of every connection. */
	moved({ id, state, origin: { address } }: ConnectionMove): void {
		if (state === "opening") {
			this.#here.set(id, address);
			this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
			this.#handshakes.add(id);
			return;
		}
		this.#handshakes.delete(id);
		if (state === "closed") this.#left(id);
	}

	#left(id: string): void {
		const address = this.#here.get(id);
		if (address === undefined) return;
		this.#here.delete(id);
		const others = (this.#byAddress.get(address) ?? 0) - 1;
		if (others > 0) this.#byAddress.set(address, others);
		else this.#byAddress.delete(address);
	}
}
