import { parseArgs } from "node:util";

const scenarioNames = ["upload", "connect", "relay"] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export interface BenchOptions {
	readonly scenarios: readonly ScenarioName[];
	/** Counted rounds; undefined for the scenario's own number. */
	readonly runs: number | undefined;
	/** What one transfer carries, in MiB. */
	readonly sizeMib: number;
	/** Other checkouts of this project, measured in the same rounds: shows what a change does. */
	readonly beside: readonly string[];
	/** A missed threshold fails the command. */
	readonly assert: boolean;
}

export const usage = `node bench/main.ts [${scenarioNames.join(" | ")}] [options]
Measures the proxy side by side with its rivals; without a scenario, all of them.
  --runs N        counted rounds (upload and relay: 5, connect: 300); one more warms up
  --size-mib N    size of an upload or a transfer (1024)
  --beside DIR    measure another checkout's proxy in the same rounds; may be repeated
  --assert        exit 1 when a ratio misses its threshold
`;

/** Wrong usage; the message is all a user needs. */
export class UsageError extends Error {}

/** What the command line asks for; undefined when it asks for help. Throws UsageError. */
export function readOptions(argv: readonly string[]): BenchOptions | undefined {
	const { values, positionals } = parse(argv);
	if (values.help) return undefined;
	const scenarios = positionals.map((name) => {
		const known = scenarioNames.find((candidate) => candidate === name);
		if (known === undefined)
			throw new UsageError(`there is no scenario "${name}" (${scenarioNames.join(", ")})`);
		return known;
	});
	return {
		scenarios: scenarios.length === 0 ? scenarioNames : scenarios,
		runs: values.runs === undefined ? undefined : wholeNumber("--runs", values.runs, 100_000),
		sizeMib: wholeNumber("--size-mib", values["size-mib"], 16_384),
		beside: values.beside,
		assert: values.assert,
	};
}

function parse(argv: readonly string[]) {
	try {
		return parseArgs({
			args: [...argv],
			options: {
				runs: { type: "string" },
				"size-mib": { type: "string", default: "1024" },
				beside: { type: "string", multiple: true, default: [] },
				assert: { type: "boolean", default: false },
				help: { type: "boolean", short: "h", default: false },
			},
			allowPositionals: true,
		});
	} catch (cause) {
		throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
	}
}

function wholeNumber(flag: string, text: string, max: number): number {
	const value = Number(text);
	if (!/^\d+$/.test(text) || value < 1 || value > max) {
		throw new UsageError(`${flag}: must be a whole number from 1 to ${max}, not "${text}"`);
	}
	return value;
}
