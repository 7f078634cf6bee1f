import { join } from "node:path";
import { unreachable } from "../../common/error.ts";
import { projectRoot } from "../tools/paths.ts";
import { type Cell, clients, columns, describeColumn, rows } from "./cells.ts";
import { expectation, facts } from "./expectations.ts";

export const documentPath = join(projectRoot, "docs", "compatibility.md");

const factNames = Object.keys(facts);

/** The tables as the facts have them, which is also what a run has seen if it passed. */
export function renderDocument(): string {
	const body = rows.map((row) => [
		`${row.client.kind} ${row.client.version}`,
		row.daemon,
		...columns.map((column) => describeCell({ row, column })),
	]);
	const buildx = clients.filter(({ kind }) => kind === "buildx").map(({ version }) => version);
	return `# Which clients work with which daemons, and how

Written by \`npm run compat\`, which builds each of these programs from its released Go module and tries every cell with
real daemons behind a real proxy: a build that uploads a context and downloads its result, which must be what was
uploaded. Any other outcome than these fails it, for better or worse.

- **plaintext**: neither clients nor daemons use TLS. **terminate**: TLS with client certificates ends at the proxy, which
  speaks TLS to the daemon with a client certificate of its own. **passthrough**: TLS with client certificates ends at
  the daemon, and the proxy moves its bytes unread.
- **warm**: the daemon runs. **hold**: the daemon is started only after the client has waited that long. **--wait**: with
  \`buildctl --wait --timeout 120\`.

${table(["client", "buildkitd", ...columns.map(describeColumn)], body)}

${Object.values(facts)
	.map(({ text }, i) => `${i + 1}. ${text}`)
	.join("\n")}

Where pools sleep, let TLS end at the proxy: a client of any version then waits as long as \`--max-wait\` allows.

\`buildx ls\` of every version (${buildx.join(", ")}) answers within 1 s on a sleeping pool, shows its
node as \`inactive\`, and starts no daemon.
`;
}

function describeCell(cell: Cell): string {
	const expected = expectation(cell);
	switch (expected.t) {
		case "works":
			return "ok";
		case "fails":
			return `no (${factNames.indexOf(expected.fact) + 1})`;
		case "none":
			return "-";
		default:
			return unreachable(expected);
	}
}

function table(header: readonly string[], body: readonly (readonly string[])[]): string {
	const widths = header.map((cell, i) => Math.max(cell.length, ...body.map((row) => row[i]?.length ?? 0)));
	const line = (row: readonly string[]) =>
		`| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
	return [line(header), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}
