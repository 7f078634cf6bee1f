import { parseArgs } from "node:util";

const scenarioNames = ["upload", "connect", "relay", "echo", "push", "holds", "streams", "soak"] as const;
/** The last one takes many minutes: only by name. */
const usualScenarios = scenarioNames.filter((name) => name !== "soak");
export type ScenarioName = (typeof scenarioNames)[number];

export interface BenchOptions {
	readonly scenarios: readonly ScenarioName[];
	/** Counted rounds; undefined for the scenario's own number. */
	readonly runs: number | undefined;
	/** What one transfer carries, in MiB. */
	readonly sizeMib: number;
	/** Clients that `holds` holds and `soak` sends; undefined for the scenario's own number. */
	readonly connections: number | undefined;
	/** When `soak` ends even if clients are left. */
	readonly seconds: number;
	/** Other checkouts of this project, measured in the same rounds: shows what a change does. */
	readonly beside: readonly string[];
	/** A missed threshold fails the command. */
	readonly assert: boolean;
}

export const usage = `npm run bench -- [${scenarioNames.join(" | ")}] [options]
Measures the proxy side by side with its rivals, and with push and streams the scaler; without a scenario, all but soak.
  --runs N        counted rounds (upload, relay and echo: 5, connect: 300, push: 500, holds: 1); one more warms up, but for holds
  --size-mib N    size of an upload or a transfer (1024)
  --connections N clients that holds holds (10000), or that soak sends (1000000)
  --seconds N     when soak ends, even if clients are left (3600)
  --beside DIR    measure another checkout's proxy in the same rounds; may be repeated
  --assert        exit 1 when a figure misses its threshold
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
		scenarios: scenarios.length === 0 ? usualScenarios : scenarios,
		runs: values.runs === undefined ? undefined : wholeNumber("--runs", values.runs, 100_000),
		sizeMib: wholeNumber("--size-mib", values["size-mib"], 16_384),
		connections:
			values.connections === undefined
				? undefined
				: wholeNumber("--connections", values.connections, 100_000_000),
		seconds: wholeNumber("--seconds", values.seconds, 864_000),
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
				connections: { type: "string" },
				seconds: { type: "string", default: "3600" },
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
