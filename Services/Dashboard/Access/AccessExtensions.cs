using System.Globalization;
using System.Security.Claims;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.Dashboard.Access;

/// <summary>Who may see the dashboard: who knows the admin key. A cookie remembers that, sealed and unreadable to scripts.</summary>
internal static class AccessExtensions
{
    /// <summary>The cookie that says that somebody has logged in.</summary>
    public const string SessionCookie = "rag-dashboard";

    private const string KeyHashClaim = "rag:key-hash";
    private const string SessionClaim = "rag:session";
    private const string StartClaim = "rag:session-start";

    public static void AddAccess(this WebApplicationBuilder builder)
    {
        builder.AddAdminKey();
        builder.Services.AddSingleton<IValidateOptions<DashboardOptions>, DashboardOptionsValidator>();
        builder.Services.AddOptions<DashboardOptions>().BindConfiguration(DashboardOptions.Section).ValidateOnStart();
        builder.Services.AddSingleton<LoginGuard>();
        builder.Services.AddSingleton<SessionLedger>();
        builder.Services.AddDataProtection().SetApplicationName("rag-dashboard");
        builder.Services.AddOptions<KeyManagementOptions>().Configure<IOptions<DashboardOptions>, ILoggerFactory>(KeepKeys);
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        builder.Services.AddAntiforgery(options =>
        {
            options.Cookie.Name = "rag-dashboard-form";
            options.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
        });
        builder.Services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie();
        builder.Services.AddOptions<CookieAuthenticationOptions>(CookieAuthenticationDefaults.AuthenticationScheme)
            .Configure<IOptions<DashboardOptions>>(ConfigureCookie);
        builder.Services.AddAuthorization();
        builder.Services.AddOptions<AuthorizationOptions>().Configure<IOptions<AuthOptions>>((authorization, auth) =>
            authorization.FallbackPolicy = authorization.DefaultPolicy = auth.Value.Disabled
                ? new AuthorizationPolicyBuilder().RequireAssertion(_ => true).Build()
                : new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
    }

    /// <summary>The principal of somebody who knows the admin key, in a new session.</summary>
    public static ClaimsPrincipal CreatePrincipal(string adminKey, DateTimeOffset now) => new(new ClaimsIdentity(
        [
            new(ClaimTypes.Name, "admin"),
            new(KeyHashClaim, Convert.ToHexString(AdminKey.Hash(adminKey))),
            new(SessionClaim, SessionLedger.CreateId()),
            new(StartClaim, now.UtcTicks.ToString(CultureInfo.InvariantCulture)),
        ],
        CookieAuthenticationDefaults.AuthenticationScheme));

    /// <summary>The session of a principal; empty when it has none.</summary>
    public static string SessionOf(ClaimsPrincipal principal) => principal.FindFirstValue(SessionClaim) ?? "";

    // In memory, unless a folder is named: a container's home may be read-only, or gone with the next revision.
    private static void KeepKeys(KeyManagementOptions keys, IOptions<DashboardOptions> options, ILoggerFactory loggers)
    {
        if (options.Value.KeysFolder is not { Length: > 0 } path)
        {
            keys.XmlRepository = new MemoryKeyRepository();
            return;
        }

        keys.XmlRepository = new FileSystemXmlRepository(PrivateFolder.Create(path), loggers);
    }

    private static void ConfigureCookie(CookieAuthenticationOptions cookie, IOptions<DashboardOptions> options)
    {
        cookie.Cookie.Name = SessionCookie;
        cookie.Cookie.HttpOnly = true;
        cookie.Cookie.SameSite = SameSiteMode.Strict;
        cookie.ExpireTimeSpan = options.Value.SessionDuration;
        cookie.SlidingExpiration = true;
        cookie.LoginPath = LoginEndpoints.Path;
        cookie.ReturnUrlParameter = LoginEndpoints.ReturnParameter;
        cookie.Events.OnValidatePrincipal = ValidateAsync;
    }

    // A login with a key that is no longer the admin key is no login, and one that was ended neither, whoever holds its cookie.
    private static async Task ValidateAsync(CookieValidatePrincipalContext context)
    {
        if (context.Principal is not { } principal || !IsLive(context.HttpContext.RequestServices, principal))
        {
            context.RejectPrincipal();
            await context.HttpContext.SignOutAsync();
        }
    }

    private static bool IsLive(IServiceProvider services, ClaimsPrincipal principal) =>
        services.GetRequiredService<AdminKey>().Value is { } key
        && principal.FindFirstValue(KeyHashClaim) is { } hash
        && CryptographicOperations.FixedTimeEquals(Convert.FromHexString(hash), AdminKey.Hash(key))
        && long.TryParse(principal.FindFirstValue(StartClaim), NumberStyles.None, CultureInfo.InvariantCulture, out var start)
        && services.GetRequiredService<SessionLedger>().IsLive(SessionOf(principal), new(start, TimeSpan.Zero));
}
