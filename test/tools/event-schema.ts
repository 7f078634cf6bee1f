import { z } from "zod";
import { poolEventSchema } from "../../events/schema.ts";

export const eventSchemaFile = new URL("../../docs/events.schema.json", import.meta.url);

/** The JSON Schema of a message, for programs that are not ours: what events/schema.ts says, in its CloudEvent. */
export function eventSchemaText(): string {
	// Once under $defs, as every event has one.
	for (const { shape } of poolEventSchema.options.slice(0, 1))
		z.globalRegistry.add(shape.snapshot, { id: "snapshot" });
	const [first, ...rest] = poolEventSchema.options.map(({ shape: { type, ...data } }) =>
		z.object({
			specversion: z.literal("1.0"),
			id: z.string(),
			source: z.string(),
			type,
			time: z.string().meta({ format: "date-time" }),
			datacontenttype: z.literal("application/json"),
			data: z.object(data),
		}),
	);
	if (first === undefined) throw new Error("there are no events");
	// As input, so that fields of later versions are allowed: a receiver ignores them.
	const schema = z.toJSONSchema(z.discriminatedUnion("type", [first, ...rest]), {
		io: "input",
		reused: "inline",
	});
	return `${JSON.stringify({ title: "An event of buildkit-scaler (docs/events.md)", ...schema }, undefined, "\t")}\n`;
}
