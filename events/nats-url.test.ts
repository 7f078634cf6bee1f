import fc from "fast-check";
import { expect, test } from "vitest";
import { anyUnit } from "../test/helpers/any-unit.ts";
import { parseNatsUrl } from "./nats-url.ts";

test("host and port", () => {
	expect(parseNatsUrl("nats://nats.example:4333")).toEqual({
		servers: ["nats.example:4333"],
		tls: false,
		credentials: undefined,
	});
});

test("the scheme and the port may be left out", () => {
	expect(parseNatsUrl("nats.example").servers).toEqual(["nats.example:4222"]);
	expect(parseNatsUrl("nats.example:80").servers).toEqual(["nats.example:80"]);
	expect(parseNatsUrl("nats://[::1]").servers).toEqual(["[::1]:4222"]);
});

test("tls:// asks for TLS", () => {
	expect(parseNatsUrl("tls://nats.example").tls).toBe(true);
});

test("several servers share the first credentials", () => {
	expect(parseNatsUrl("nats://me:secret@a:1, nats://b:2")).toEqual({
		servers: ["a:1", "b:2"],
		tls: false,
		credentials: { user: "me", pass: "secret" },
	});
});

test("a user without a password is a token", () => {
	expect(parseNatsUrl("nats://t0ken@a").credentials).toEqual({ token: "t0ken" });
});

test("credentials survive URL encoding", () => {
	const text = fc.string({ minLength: 1, unit: anyUnit });
	fc.assert(
		fc.property(text, text, (user, pass) => {
			const url = `nats://${encodeURIComponent(user)}:${encodeURIComponent(pass)}@a`;
			expect(parseNatsUrl(url).credentials).toEqual({ user, pass });
		}),
	);
});

test.each(["", "http://a", "nats://", "nats://a:99999", "nats://me:hush-hush%zz@a", "nats:// a"])(
	"%j is refused without repeating it",
	(url) => {
		const error = thrownBy(() => parseNatsUrl(url));
		expect(error).toMatchObject({ code: "CONFIG_INVALID" });
		expect(String(error)).not.toContain("hush-hush");
	},
);

function thrownBy(run: () => unknown): unknown {
	try {
		return run();
	} catch (error) {
		return error;
	}
}
