namespace RagPlatform.Lab.Drill.Fuzz;

/// <summary>What nobody means to send.</summary>
internal static class FuzzValues
{
    /// <summary>JSON values as they are written in a body.</summary>
    public static IReadOnlyList<string> Json { get; } =
    [
        "null", "[]", "{}", "[null]", "[[null]]", "{\"a\":null}", "true", "0", "-1", "0.5", "1e400", "-1e400", "1e-400", "1e308", "2147483648",
        "9007199254740993", "9223372036854775807", "99999999999999999999", "1" + new string('0', 500), "-0", "\"\"", "\" \"", "\"\\u0000\"", "\"a\\u0000b\"",
        "\"\\ud800\"", "\"é🙂\\u202e\"", "\"..\"", "\"a/../b\"", "\"%\"", "\"*\"", "\"'; DROP TABLE documents; --\"", "\"\\\"a b\\\"\"", "\"\\\"\\\"\"",
        "\"0001-01-01T00:00:00+14:00\"", "\"9999-12-31T23:59:59-14:00\"", "\"2026-02-30\"", "\"infinity\"", "\"NaN\"", "1e39", "3.4028236e38",
        "{\"$and\":[]}", "{\"$or\":[null]}", "{\"a\":{\"$in\":[]}}", "{\"a\":{\"$gt\":1e400}}", "{\"$createdAt\":{\"$gt\":\"0001-01-01\"}}", "{\"a\":{\"$exists\":1}}",
        "\"" + new string('x', 5_000) + "\"", new string('[', 40) + new string(']', 40), new string('[', 400),
        "[" + string.Join(',', Enumerable.Repeat("1", 3_000)) + "]", "[0,0,0,0,0,0,0,0]", "[1e39]", "[\"a\",\"a\"]", "{\"\":1,\"\\u0000\":2}", "{\"a\":1,\"a\":2}",
    ];

    /// <summary>Texts of paths, queries and headers, before they are escaped.</summary>
    public static IReadOnlyList<string> Texts { get; } =
    [
        "", " ", "0", "-1", "1", "2147483648", "9223372036854775807", "99999999999999999999", "1e400", "NaN", "true", "null", "*", "..", ".", "../..", "a/b", "a//b", "/",
        "a%2Fb", "%", "%00", "\0", "\n", "é🙂", "\ud83d\ude00", "ﬀ", "a'b", "a\"b", "a;b", "a\\b", "{}", "[]", "0001-01-01", "9999-12-31", "9999-12-31T23:59:59-14:00",
        "end", "idle", "AAAA", "abc!", "W/\"1\"", "\"1\"", "bypass", "interactive", new('a', 600), new('9', 100), "' OR 1=1 --",
    ];

    /// <summary>Headers that some endpoint reads.</summary>
    public static IReadOnlyList<string> Headers { get; } =
    [
        "If-Match", "If-None-Match", "Prefer", "Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Content-Encoding", "Range", "x-rag-space", "x-rag-input", "x-rag-priority",
        "x-rag-workspace", "x-rag-cache", "traceparent", "tracestate", "baggage", "Origin", "Access-Control-Request-Method", "X-Forwarded-For",
        "X-Forwarded-Prefix", "X-Forwarded-Host", "Cookie", "Expect", "If-Modified-Since", "Last-Event-ID",
    ];
}
