// The laws of `npm run fuzz`, with a number of inputs that fits into every test run.
import fc from "fast-check";
import { describe, test } from "vitest";
import { anyAnswer, anyCuts, anyHeaderBlock, anyOpening } from "../fuzz/openings.ts";
import * as laws from "../fuzz/reader-laws.ts";
import { recorded } from "../fuzz/recorded.ts";

const numRuns = 1_000;

describe.each(Object.entries(recorded))("%s", (_client, hex) => {
	const bytes = Buffer.from(hex, "hex");
	const everyPoint = Array.from({ length: bytes.length + 1 }, (_, at) => at);

	test("reads the same wherever it is split", () => {
		for (const at of everyPoint) {
			laws.helloIsReadOrRefused(bytes, [at]);
			laws.everyByteIsAccountedFor(bytes, [at]);
			laws.splittingChangesNothing(bytes, [at]);
		}
		laws.splittingChangesNothing(bytes, everyPoint);
	});

	test("loses nothing wherever its hold ends", () => {
		for (const at of everyPoint) {
			laws.releaseLosesNothing(bytes, at, []);
			laws.releaseLosesNothing(bytes, at, everyPoint);
		}
	});
});

describe("whatever is sent, in frames of any order with lengths true or not", () => {
	test("what is kept, answered and dropped is what was sent", () => {
		fc.assert(fc.property(anyOpening, anyCuts, laws.everyByteIsAccountedFor), { numRuns });
	});

	test("splitting changes no verdict", () => {
		fc.assert(fc.property(anyOpening, anyCuts, laws.splittingChangesNothing), { numRuns });
	});

	test("a hold may end anywhere", () => {
		fc.assert(fc.property(anyOpening, fc.nat(5_000), anyCuts, laws.releaseLosesNothing), { numRuns });
	});

	test("a header block is read or refused", () => {
		fc.assert(fc.property(anyHeaderBlock, laws.blockIsReadOrRefused), { numRuns });
	});

	test("a TLS hello is read or refused", () => {
		fc.assert(fc.property(anyOpening, anyCuts, laws.helloIsReadOrRefused), { numRuns });
	});

	test("a daemon's first frame is passed on or refused", () => {
		fc.assert(fc.property(anyAnswer, anyCuts, laws.firstFrameIsJudged), { numRuns });
	});
});
