namespace RagPlatform.EmbeddingService.Wire;

/// <summary>A refusal or failure in the terms of OpenAI's API.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="type">OpenAI's type, for instance <c>invalid_request_error</c>.</param>
/// <param name="code">OpenAI's code, or one of ours; null where OpenAI has none.</param>
/// <param name="message">What happened and what to do; never any text that was to be embedded.</param>
/// <param name="param">The request's field; null when it is none.</param>
/// <param name="inner">The cause.</param>
internal sealed class GatewayException(
    int status, string type, string? code, string message, string? param = null, Exception? inner = null) : Exception(message, inner)
{
    public int Status { get; } = status;

    public string Type { get; } = type;

    public string? Code { get; } = code;

    public string? Param { get; } = param;

    /// <summary>When the same request may succeed; null when nothing is known.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>When the budget that refused begins anew; null for other reasons.</summary>
    public DateTimeOffset? BudgetReset { get; init; }

    /// <summary>Whether SDKs shall not retry by themselves: a budget that resets at midnight is no reason to wait.</summary>
    public bool NoRetry { get; init; }

    public static GatewayException Invalid(string message, string? param, string? code = null) =>
        new(StatusCodes.Status400BadRequest, "invalid_request_error", code, message, param);

    public static GatewayException UnknownModel(string model) => new(
        StatusCodes.Status404NotFound, "invalid_request_error", "model_not_found",
        $"The model '{model}' does not exist. GET /v1/models lists the models that do.", "model");

    public static GatewayException OtherSpace(string model, string space, string demanded) => new(
        StatusCodes.Status409Conflict, "invalid_request_error", "space_mismatch",
        $"The model '{model}' answers vectors of space {space}; the request demands {demanded}.", EmbeddingHeader);

    public static GatewayException Upstream(string message, Exception? inner = null) =>
        new(StatusCodes.Status502BadGateway, "server_error", "bad_provider_answer", message, inner: inner);

    private const string EmbeddingHeader = Contracts.EmbeddingHeaders.Space;
}
