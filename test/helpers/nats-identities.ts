import { randomUUID } from "node:crypto";
import { nkeys } from "nats";

/** An operator of NATS with one account, as nsc would make them, and the users that it signs. */
export class NatsOperator {
	readonly #operator = nkeys.createOperator();
	readonly #account = nkeys.createAccount();

	/** For the configuration file of a nats-server that trusts this operator. */
	config(): string {
		const unlimited = { subs: -1, data: -1, payload: -1 };
		const many = { imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
		const account = sign(this.#operator, this.#account, {
			type: "account",
			limits: { ...unlimited, ...many },
		});
		const id = this.#account.getPublicKey();
		return [
			`operator: ${sign(this.#operator, this.#operator, { type: "operator" })}`,
			"resolver: MEMORY",
			`resolver_preload: { ${id}: ${account} }`,
		].join("\n");
	}

	/** The content of a credentials file for a new user. */
	creds(): string {
		const user = nkeys.createUser();
		const jwt = sign(this.#account, user, {
			type: "user",
			pub: {},
			sub: {},
			subs: -1,
			data: -1,
			payload: -1,
		});
		const seed = new TextDecoder().decode(user.getSeed());
		return [
			"-----BEGIN NATS USER JWT-----",
			jwt,
			"------END NATS USER JWT------",
			"",
			"************************* IMPORTANT *************************",
			"-----BEGIN USER NKEY SEED-----",
			seed,
			"------END USER NKEY SEED------",
			"",
		].join("\n");
	}
}

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** A JWT as NATS wants it: signed with an nkey, version 2 of the claims. */
function sign(issuer: KeyPair, subject: KeyPair, nats: Readonly<Record<string, unknown>>): string {
	const claims = {
		jti: randomUUID(),
		iat: Math.floor(Date.now() / 1_000),
		iss: issuer.getPublicKey(),
		name: "test",
		sub: subject.getPublicKey(),
		nats: { ...nats, version: 2 },
	};
	const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
	const text = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(claims)}`;
	return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString("base64url")}`;
}
