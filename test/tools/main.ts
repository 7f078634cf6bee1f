// node test/tools/main.ts [--verbose] [--set cluster] [names…]: finds, installs or builds the programs the
// tests run.
// Silent and instant when all are there; --verbose then lists them.
import { parseArgs } from "node:util";
import { catalog, type Program, toolSets } from "./catalog.ts";
import { find } from "./find.ts";
import { withLock } from "./lock.ts";
import { isMissing, obtain } from "./obtain.ts";
import { say } from "./progress.ts";
import { ToolError } from "./tool-error.ts";

function choose(names: readonly string[], sets: readonly string[]): Program[] {
	const unknownSet = sets.find((set) => !toolSets.some((known) => known === set));
	if (unknownSet !== undefined) {
		throw new ToolError(`no such set: ${unknownSet} (known: ${toolSets.join(", ")})`);
	}
	const unknown = names.filter((name) => !catalog.some((program) => program.name === name));
	if (unknown.length > 0) {
		const known = catalog.map((program) => program.name).join(", ");
		throw new ToolError(`no such program: ${unknown.join(", ")} (known: ${known})`);
	}
	const wantedSets = names.length === 0 && sets.length === 0 ? ["default"] : sets;
	return catalog.filter(
		(program) => names.includes(program.name) || program.sets.some((set) => wantedSets.includes(set)),
	);
}

function list(programs: readonly Program[]): void {
	for (const program of programs) {
		const found = find(program);
		console.log(`${program.name.padEnd(24)} ${found?.path ?? "missing"}  (${found?.source ?? "-"})`);
	}
}

try {
	const { values, positionals } = parseArgs({
		options: {
			verbose: { type: "boolean", default: false },
			set: { type: "string", multiple: true, default: [] },
		},
		allowPositionals: true,
	});
	const programs = choose(positionals, values.set);
	if (programs.some(isMissing)) await withLock(() => obtain(programs));
	if (values.verbose) list(programs);
} catch (error) {
	const expected = error instanceof ToolError || (error instanceof TypeError && "code" in error);
	if (!expected) throw error;
	say(error.message);
	if (error instanceof ToolError && error.details !== "") process.stderr.write(`${error.details}\n`);
	process.exitCode = 1;
}
