import { z } from "zod";
import { idSchema } from "../../events/schema.ts";
import type { Member, Members } from "./lease.ts";

const membersSchema = z.record(
	idSchema,
	z.object({ incarnation: z.int().min(0), admin: z.string().max(300).optional() }),
);

/** Undefined for what nobody of us has written. */
export function parseMembers(text: string | undefined): Members | undefined {
	if (text === undefined || text.length > 200_000) return undefined;
	try {
		const { data } = membersSchema.safeParse(JSON.parse(text));
		return (
			data &&
			Object.fromEntries(
				Object.entries(data).map(([id, { incarnation, admin }]) => [id, { incarnation, admin }]),
			)
		);
	} catch {
		return undefined;
	}
}

export function formatMembers(members: Members): string {
	return JSON.stringify(members);
}

/** With ourselves, and without those who are gone. */
export function withMember(members: Members, id: string, member: Member, gone: readonly string[]): Members {
	const rest = Object.entries(members).filter(([other]) => other !== id && !gone.includes(other));
	return { ...Object.fromEntries(rest), [id]: member };
}

export function withoutMember(members: Members, id: string): Members {
	return Object.fromEntries(Object.entries(members).filter(([other]) => other !== id));
}

export function isSameMembers(a: Members, b: Members): boolean {
	const text = (members: Members) =>
		JSON.stringify(Object.entries(members).sort(([one], [other]) => (one < other ? -1 : 1)));
	return text(a) === text(b);
}
