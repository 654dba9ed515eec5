using System.Diagnostics;
using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Auth;

/// <summary>The options of the scheme.</summary>
public sealed class ApiKeySchemeOptions : AuthenticationSchemeOptions
{
    /// <summary>
    /// Writes the body of a refusal, for an API whose errors have a shape of their own; status and headers are set already.
    /// </summary>
    /// <value>The default is <see langword="null"/>: problem+json.</value>
    public Func<HttpContext, ProblemDetails, Task>? WriteRefusal { get; set; }
}

/// <summary>
/// Reads a key from <c>Authorization: Bearer</c>, else from <c>api-key</c> or <c>x-api-key</c>, and says whose it is. Refusals are
/// problem+json: 401 with <c>WWW-Authenticate</c> without a valid key, 403 for a key of something else, 503 while keys cannot be looked up.
/// </summary>
internal sealed partial class ApiKeyHandler(
    IOptionsMonitor<ApiKeySchemeOptions> options,
    ILoggerFactory loggers,
    UrlEncoder encoder,
    IOptions<AuthOptions> auth,
    AdminKey adminKey,
    ApiKeyGrants grants) : AuthenticationHandler<ApiKeySchemeOptions>(options, loggers, encoder)
{
    private const string Realm = "Bearer realm=\"rag\"";
    private const int MaxKeyLength = 512;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (auth.Value.Disabled)
        {
            return Success(AuthClaims.Admin("(authentication disabled)"));
        }

        if (ReadKey(Request) is not { } key)
        {
            return AuthenticateResult.NoResult();
        }

        if (key.Length > MaxKeyLength)
        {
            return AuthenticateResult.Fail("The key is too long.");
        }

        if (adminKey.Matches(key))
        {
            return Success(AuthClaims.Admin("admin"));
        }

        try
        {
            return await grants.FindAsync(key, Context.RequestAborted) is { } grant
                ? Success(AuthClaims.Workspace(grant))
                : AuthenticateResult.Fail("The key is not valid.");
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            LogLookupFailed(Logger, exception.GetType().Name);
            return AuthenticateResult.Fail(new KeyLookupException());
        }
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        var result = await HandleAuthenticateOnceSafeAsync();
        if (result.Failure is KeyLookupException)
        {
            Response.Headers.RetryAfter = "2";
            await WriteAsync(StatusCodes.Status503ServiceUnavailable, "Keys cannot be checked at the moment.", "Try again shortly.");
            return;
        }

        Response.Headers.WWWAuthenticate = result.Failure is null ? Realm : $"{Realm}, error=\"invalid_token\"";
        await WriteAsync(
            StatusCodes.Status401Unauthorized,
            result.Failure is null ? "This endpoint needs a key." : "The key is not valid.",
            "Send it as 'Authorization: Bearer <key>'.");
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) => WriteAsync(
        StatusCodes.Status403Forbidden,
        "The key is valid, but not for this.",
        "A workspace key opens its own workspace; the rest needs the admin key.");

    private static string? ReadKey(HttpRequest request)
    {
        const string Bearer = "Bearer ";
        foreach (var header in request.Headers.Authorization)
        {
            if (header is not null
                && header.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
                && header.AsSpan(Bearer.Length).Trim() is { Length: > 0 } token)
            {
                return token.ToString();
            }
        }

        var fallback = request.Headers["api-key"].ToString() is { Length: > 0 } apiKey ? apiKey : request.Headers["x-api-key"].ToString();
        return fallback.Length > 0 ? fallback : null;
    }

    private AuthenticateResult Success(ClaimsPrincipal principal) => AuthenticateResult.Success(new(principal, Scheme.Name));

    private async Task WriteAsync(int status, string title, string detail)
    {
        Response.StatusCode = status;
        var problem = new ProblemDetails { Status = status, Title = title, Detail = detail };
        if (Options.WriteRefusal is { } write)
        {
            await write(Context, problem);
            return;
        }

        problem.Extensions["traceId"] = Activity.Current?.Id ?? Context.TraceIdentifier;
        await Context.RequestServices.GetRequiredService<IProblemDetailsService>().TryWriteAsync(
            new() { HttpContext = Context, ProblemDetails = problem });
    }

    [LoggerMessage(1, LogLevel.Warning, "A key could not be looked up ({Failure})")]
    private static partial void LogLookupFailed(ILogger logger, string failure);

    private sealed class KeyLookupException() : Exception("The key could not be looked up.");
}
