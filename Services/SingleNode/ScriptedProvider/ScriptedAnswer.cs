namespace RagPlatform.SingleNode.ScriptedProvider;

/// <summary>What can be wrong with an answer of an embedding provider.</summary>
public enum ScriptedFault
{
    /// <summary>Nothing: a right answer.</summary>
    None,

    /// <summary>429 with <c>Retry-After</c>.</summary>
    RateLimited,

    /// <summary>500.</summary>
    ServerError,

    /// <summary>503.</summary>
    Unavailable,

    /// <summary>401: the key is not accepted.</summary>
    Unauthorized,

    /// <summary>400: the provider refuses the input.</summary>
    InvalidInput,

    /// <summary>200 with something that is no JSON.</summary>
    Garbage,

    /// <summary>200, and the connection breaks in the middle of the body.</summary>
    HalfBody,

    /// <summary>The connection breaks before any answer.</summary>
    Disconnect,

    /// <summary>One vector less than texts.</summary>
    TooFew,

    /// <summary>One vector more than texts.</summary>
    TooMany,

    /// <summary>All vectors, in reverse order, with their right indexes. That is allowed.</summary>
    Shuffled,

    /// <summary>The right number of vectors, the first index twice and the last one never.</summary>
    DuplicateIndex,

    /// <summary>A component of the first vector is not a number.</summary>
    NotANumber,

    /// <summary>The first vector has length zero.</summary>
    ZeroVector,

    /// <summary>The first vector has one component less.</summary>
    WrongDimensions,

    /// <summary>Vectors of another model, of the same dimensions.</summary>
    OtherModel,
}

/// <summary>How the scripted provider answers one request.</summary>
/// <param name="Fault">What is wrong with the answer.</param>
/// <param name="Latency">How long it takes.</param>
/// <param name="RetryAfter">The header of a 429 or 503; absent when null.</param>
public sealed record ScriptedAnswer(ScriptedFault Fault = ScriptedFault.None, TimeSpan Latency = default, TimeSpan? RetryAfter = null);

/// <summary>A request that the scripted provider got.</summary>
/// <param name="Number">1 for the first.</param>
/// <param name="Model">The model that was asked for.</param>
/// <param name="Inputs">The texts.</param>
/// <param name="Dimensions">The length of the vectors that was asked for, or null.</param>
/// <param name="Base64">Were the vectors asked for in base64?</param>
/// <param name="ApiKey">The bearer token, or null.</param>
public sealed record ScriptedRequest(int Number, string Model, IReadOnlyList<string> Inputs, int? Dimensions, bool Base64, string? ApiKey);
