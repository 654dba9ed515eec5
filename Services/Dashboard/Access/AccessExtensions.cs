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

    public static void AddAccess(this WebApplicationBuilder builder)
    {
        builder.AddAdminKey();
        builder.Services.AddSingleton<IValidateOptions<DashboardOptions>, DashboardOptionsValidator>();
        builder.Services.AddOptions<DashboardOptions>().BindConfiguration(DashboardOptions.Section).ValidateOnStart();
        builder.Services.AddSingleton<LoginGuard>();
        builder.Services.AddDataProtection().SetApplicationName("rag-dashboard");
        builder.Services.AddOptions<KeyManagementOptions>().Configure<IOptions<DashboardOptions>, ILoggerFactory>(KeepKeys);
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        builder.Services.AddAntiforgery(options => options.Cookie.Name = "rag-dashboard-form");
        builder.Services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie();
        builder.Services.AddOptions<CookieAuthenticationOptions>(CookieAuthenticationDefaults.AuthenticationScheme)
            .Configure<IOptions<DashboardOptions>>(ConfigureCookie);
        builder.Services.AddAuthorization();
        builder.Services.AddOptions<AuthorizationOptions>().Configure<IOptions<AuthOptions>>((authorization, auth) =>
            authorization.FallbackPolicy = authorization.DefaultPolicy = auth.Value.Disabled
                ? new AuthorizationPolicyBuilder().RequireAssertion(_ => true).Build()
                : new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
    }

    /// <summary>The principal of somebody who knows the admin key.</summary>
    public static ClaimsPrincipal CreatePrincipal(string adminKey) => new(new ClaimsIdentity(
        [new(ClaimTypes.Name, "admin"), new(KeyHashClaim, Convert.ToHexString(AdminKey.Hash(adminKey)))],
        CookieAuthenticationDefaults.AuthenticationScheme));

    // In memory, unless a folder is named: a container's home may be read-only, or gone with the next revision.
    private static void KeepKeys(KeyManagementOptions keys, IOptions<DashboardOptions> options, ILoggerFactory loggers)
    {
        if (options.Value.KeysFolder is not { Length: > 0 } path)
        {
            keys.XmlRepository = new MemoryKeyRepository();
            return;
        }

        var folder = OperatingSystem.IsWindows()
            ? Directory.CreateDirectory(path)
            : Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        keys.XmlRepository = new FileSystemXmlRepository(folder, loggers);
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

    // A login with a key that is no longer the admin key is no login.
    private static async Task ValidateAsync(CookieValidatePrincipalContext context)
    {
        var key = context.HttpContext.RequestServices.GetRequiredService<AdminKey>();
        var hash = context.Principal?.FindFirstValue(KeyHashClaim);
        if (key.Value is null
            || hash is null
            || !CryptographicOperations.FixedTimeEquals(Convert.FromHexString(hash), AdminKey.Hash(key.Value)))
        {
            context.RejectPrincipal();
            await context.HttpContext.SignOutAsync();
        }
    }
}
