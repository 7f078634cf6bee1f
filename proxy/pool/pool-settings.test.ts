import { expect, test } from "vitest";
import { testPool } from "../../test/helpers/test-proxy.ts";
import { checkPools } from "./pool-settings.ts";

const listen = { host: "::", port: 1234 };
const at = (name: string, serverNames: readonly string[], tls: "off" | "passthrough" = "passthrough") =>
	testPool({ name, listen, serverNames, tls: { t: tls } });

test("pools stand side by side on addresses, server names and namespaces of their own", () => {
	checkPools([
		at("a", ["a"]),
		at("b", ["b", "c"]),
		at("rest", []),
		testPool({ name: "a", namespace: "other", listen: { host: "::", port: 1235 } }),
		testPool({ name: "x" }),
		testPool({ name: "y" }),
	]);
});

test.each([
	[[at("a", ["a"]), at("a", ["b"])], "pool default/a is there twice"],
	[[at("a", ["x"]), at("b", ["y", "x"])], "pools default/a and default/b both want server name x on :::1234"],
	[[at("a", []), at("b", [])], "both want clients of any server name on :::1234"],
	[[at("a", ["a"]), at("b", [], "off")], "pools default/a and default/b share :::1234, which takes TLS"],
	[[at("a", [], "off"), at("b", ["b"])], "pools default/a and default/b share :::1234, which takes TLS"],
	[[at("a", ["a"], "off")], "pool default/a has server names, which only TLS clients say, but no TLS"],
])("%#: else the clash is named", (pools, message) => {
	expect(() => checkPools(pools)).toThrowError(
		expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining(message) }),
	);
});
