import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { invalidCauses } from "../../events/cloud-event.ts";
import { leaseMs, poolEventTypes } from "../../events/schema.ts";
import { eventSchemaFile, eventSchemaText } from "../tools/event-schema.ts";

test("docs/events.schema.json is what the code says; else: npm run schema", () => {
	expect(readFileSync(eventSchemaFile, "utf8")).toBe(eventSchemaText());
});

test("docs/events.md names every type and every cause for which a message is dropped", () => {
	const documentation = readFileSync(new URL("../../docs/events.md", import.meta.url), "utf8");
	for (const word of [...poolEventTypes, ...invalidCauses, "listenerFailed", "notTaken"])
		expect(documentation).toContain(`\`${word}\``);
	expect(documentation).toContain(`${leaseMs / 1_000} s`);
});
