// node test/tools/main.ts [--verbose] [names…]: finds, installs or builds the programs the tests run.
// Silent and instant when all are there; --verbose then lists them.
import { parseArgs } from "node:util";
import { catalog, type Program } from "./catalog.ts";
import { find } from "./find.ts";
import { withLock } from "./lock.ts";
import { isMissing, obtain } from "./obtain.ts";
import { say } from "./progress.ts";
import { ToolError } from "./tool-error.ts";

function choose(names: readonly string[]): Program[] {
	const unknown = names.filter((name) => !catalog.some((program) => program.name === name));
	if (unknown.length > 0) {
		const known = catalog.map((program) => program.name).join(", ");
		throw new ToolError(`no such program: ${unknown.join(", ")} (known: ${known})`);
	}
	return catalog.filter((program) =>
		names.length === 0 ? !program.onlyWhenNamed : names.includes(program.name),
	);
}

function list(programs: readonly Program[]): void {
	for (const program of programs) {
		const found = find(program);
		console.log(`${program.name.padEnd(12)} ${found?.path ?? "missing"}  (${found?.source ?? "-"})`);
	}
}

try {
	const { values, positionals } = parseArgs({
		options: { verbose: { type: "boolean", default: false } },
		allowPositionals: true,
	});
	const programs = choose(positionals);
	if (programs.some(isMissing)) await withLock(() => obtain(programs));
	if (values.verbose) list(programs);
} catch (error) {
	const expected = error instanceof ToolError || (error instanceof TypeError && "code" in error);
	if (!expected) throw error;
	say(error.message);
	if (error instanceof ToolError && error.details !== "") process.stderr.write(`${error.details}\n`);
	process.exitCode = 1;
}
