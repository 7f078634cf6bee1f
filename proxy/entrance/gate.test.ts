import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { connectionMove } from "../../test/helpers/connection-move.ts";
import type { ConnectionStateName } from "../connection/connection-state.ts";
import { defaultLimits } from "../limits.ts";
import { Gate } from "./gate.ts";

const limits = { maxConnections: 5, maxConnectionsPerAddress: 3, maxOpening: 2 };

function moved(gate: Gate, id: string, state: ConnectionStateName, address = "192.0.2.1"): void {
	const { origin } = connectionMove({});
	gate.moved(connectionMove({ id, state, origin: { ...origin, address } }));
}

describe("Gate", () => {
	test("the newest is refused while too many have not said what they want", () => {
		const gate = new Gate(limits);
		moved(gate, "a", "opening");
		expect(gate.refusal("192.0.2.9")).toBeUndefined();
		moved(gate, "b", "opening");
		expect(gate.refusal("192.0.2.9")).toBe("tooManyHandshakes");
		moved(gate, "a", "waiting");
		expect(gate.refusal("192.0.2.9")).toBeUndefined();
	});

	test("a burst that the queue takes is not refused at the gate", () => {
		expect(defaultLimits.maxOpening).toBeGreaterThanOrEqual(defaultLimits.maxQueue);
		expect(defaultLimits.maxConnections).toBeGreaterThan(defaultLimits.maxQueue);
	});

	test("one address is refused, others are not", () => {
		const gate = new Gate(limits);
		for (const id of ["a", "b", "c"]) {
			moved(gate, id, "opening");
			moved(gate, id, "waiting");
		}
		expect(gate.refusal("192.0.2.1")).toBe("tooManyFromAddress");
		expect(gate.refusal("192.0.2.2")).toBeUndefined();
		moved(gate, "a", "closed");
		expect(gate.refusal("192.0.2.1")).toBeUndefined();
	});

	test("nobody comes in when it is full", () => {
		const gate = new Gate(limits);
		for (const id of ["a", "b", "c", "d", "e"]) {
			moved(gate, id, "opening", id);
			moved(gate, id, "waiting", id);
		}
		expect(gate.refusal("192.0.2.1")).toBe("tooManyConnections");
		moved(gate, "e", "closed");
		expect(gate.refusal("192.0.2.1")).toBeUndefined();
	});

	test("limits hold, and nothing is left behind, whoever comes and goes", () => {
		const step = fc.record({ id: fc.nat(30), address: fc.constantFrom("a", "b", "c"), asks: fc.boolean() });
		fc.assert(
			fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
				const gate = new Gate(limits);
				const here = new Map<string, { address: string; asked: boolean }>();
				for (const { id: number, address, asks } of steps) {
					const id = String(number);
					const one = here.get(id);
					if (one === undefined) {
						const from = [...here.values()].filter((other) => other.address === address).length;
						const opening = [...here.values()].filter(({ asked }) => !asked).length;
						const full = here.size >= 5 || from >= 3 || opening >= 2;
						expect(gate.refusal(address) !== undefined).toBe(full);
						if (full) continue;
						moved(gate, id, "opening", address);
						here.set(id, { address, asked: false });
					} else if (asks && !one.asked) {
						moved(gate, id, "waiting", one.address);
						one.asked = true;
					} else {
						moved(gate, id, "closed", one.address);
						here.delete(id);
					}
				}
				for (const [id, { address }] of here) moved(gate, id, "closed", address);
				for (const address of ["a", "b", "c"]) expect(gate.refusal(address)).toBeUndefined();
			}),
		);
	});
});
