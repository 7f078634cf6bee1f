import fc from "fast-check";
import { expect, test } from "vitest";
import type { Demand } from "../demand.ts";
import { type Load, noDaemons } from "../load.ts";
import { metricOf } from "../metric.ts";
import { wantedReplicas } from "./wanted-replicas.ts";

function known(load: Partial<Load>, replicas = 0): Demand {
	return {
		t: "known",
		...{ waiting: 0, active: 0, highestBusyOrdinal: null, capacity: 2, oldestWaitMs: 0 },
		daemons: { ...noDaemons, staying: replicas, replicas },
		...load,
	};
}

test("eight builds on a sleeping pool that takes two a daemon want four", () => {
	expect(wantedReplicas(known({ waiting: 8 }), {})).toBe(4);
	expect(wantedReplicas(known({ waiting: 8 }), { buildsPerDaemon: 4 })).toBe(2);
	expect(wantedReplicas(known({ waiting: 8 }), {}, 3)).toBe(3);
});

test("nothing to do: KEDA's one is enough, there are as many, nobody waits, or it is not known", () => {
	expect(wantedReplicas(known({ waiting: 2 }), {})).toBeUndefined();
	expect(wantedReplicas(known({ waiting: 8 }, 4), {})).toBeUndefined();
	expect(wantedReplicas(known({ active: 8 }), {})).toBeUndefined();
	expect(wantedReplicas(known({ waiting: 8 }), {}, 1)).toBeUndefined();
	expect(wantedReplicas({ t: "absent" }, {})).toBeUndefined();
	expect(
		wantedReplicas({ t: "unknown", reason: "", atLeast: { waiting: 8, active: 0 } }, {}),
	).toBeUndefined();
});

test("the HPA, asked right after, takes none of them back", () => {
	const count = fc.integer({ min: 0, max: 500 });
	fc.assert(
		fc.property(
			count,
			count,
			fc.integer({ min: 1, max: 20 }),
			count,
			(waiting, active, capacity, replicas) => {
				const demand = known({ waiting, active, capacity }, replicas);
				const wanted = wantedReplicas(demand, {});
				if (wanted === undefined) return;
				expect(wanted).toBeGreaterThan(replicas);
				const raised = known({ waiting, active, capacity }, wanted);
				if (raised.t !== "known") return;
				const { value, target } = metricOf(raised);
				// k8s replica_calculator.go: within the tolerance nothing changes.
				const ratio = value / (target * wanted);
				expect(Math.abs(ratio - 1) <= 0.1 ? wanted : Math.ceil(value / target)).toBeGreaterThanOrEqual(
					wanted,
				);
			},
		),
	);
});
