import { onTestFinished } from "vitest";
import { createLogger } from "../../common/log.ts";
import { MemoryBus } from "../../events/memory-bus.ts";
import type { PoolEvent } from "../../events/schema.ts";
import { HeldBudget } from "../../proxy/connection/held-bytes.ts";
import type { ConnectionMove } from "../../proxy/connection/move.ts";
import { defaultLimits } from "../../proxy/limits.ts";
import { Pool } from "../../proxy/pool/pool.ts";
import type { PoolOptions } from "../../proxy/pool/pool-options.ts";
import { connectPlain } from "../../proxy/tls/connect.ts";
import { FakeWire } from "./fake-wire.ts";
import { ManualClock } from "./manual-clock.ts";
import { TestSource } from "./test-proxy.ts";

export interface TestPool {
	readonly pool: Pool;
	readonly clock: ManualClock;
	readonly source: TestSource;
	readonly events: PoolEvent[];
	readonly moves: ConnectionMove[];
	/** A build comes in. */
	join(identity?: string, address?: string): FakeWire;
	/** Whose builds got a daemon that answered, in order. */
	served(): { readonly identity: string | undefined; readonly daemon: string | undefined }[];
	reachability(daemon?: string): string | undefined;
	/** Resolves once `check` holds; looks again after each turn of the event loop. */
	until(check: () => boolean): Promise<void>;
}

/** A pool whose clients have no sockets and whatever identity a test gives them; its daemons are real sockets. */
export function startTestPool(options: Partial<PoolOptions> = {}): TestPool {
	const clock = new ManualClock();
	const source = new TestSource();
	const bus = new MemoryBus();
	const events: PoolEvent[] = [];
	const moves: ConnectionMove[] = [];
	bus.subscribe((event) => events.push(event));
	const pool = new Pool(
		{
			proxy: "self",
			incarnation: 1,
			admin: undefined,
			namespace: "default",
			name: "default",
			capacity: 4,
			balance: "pack",
			affinityBy: "identity",
			fairBy: "none",
			maxPerTenant: undefined,
			maxWaitMs: 900_000,
			wakeOnStatus: false,
			limits: defaultLimits,
			...options,
		},
		{
			held: new HeldBudget(defaultLimits.maxTotalHeldBytes),
			source,
			connect: connectPlain(defaultLimits),
			bus,
			clock,
			log: createLogger("silent"),
		},
	);
	const identities = new Map<string, string | undefined>();
	pool.onMove((move) => moves.push(move));
	let finished = false;
	onTestFinished(() => {
		finished = true;
		pool.close();
	});
	return {
		pool,
		clock,
		source,
		events,
		moves,
		join(identity, address = "10.0.0.1") {
			const wire = new FakeWire();
			const client = { address, port: 1, serverName: undefined, identity, refusal: undefined };
			pool.accept(wire, "h2", { ...client, listener: ":1234" });
			identities.set(moves.at(-1)?.id ?? "", identity);
			wire.ask();
			return wire;
		},
		served: () =>
			moves
				.filter(({ state }) => state === "live")
				.map(({ id, daemon }) => ({ identity: identities.get(id), daemon })),
		reachability: (daemon = "daemon-0") => pool.daemons.get(daemon)?.reachability.t,
		async until(check) {
			while (!check()) {
				if (finished) throw new Error(`still waiting at the end: ${check}`);
				await new Promise((resolve) => setImmediate(resolve));
			}
		},
	};
}
