from setuptools import setup
import io
import os
import sys


#: Plone 4.3: Zope 2.13 with ZServer, and zc.monitor for the protocol.
PLONE_43 = {
    # Beside other ftw.* packages, which are all of this style there.
    'namespace_packages': ['ftw'],
    'requirements': [
        'psutil >= 4',
        'zc.monitor >= 0.4',
        'zc.ngi >= 2',
        'ZODB3',
        'Zope2',
    ],
    # ZODB3 has ZEO.
    'tests': [],
}

#: Plone 6.2: Zope with WSGI.
PLONE_62 = {
    # A native namespace: no distribution has an ftw/__init__.py.
    'namespace_packages': [],
    'requirements': [
        'psutil >= 4',
        'ZODB',
        'Zope[wsgi]',
    ],
    # The instances of the tests have their databases on a ZEO server, or in
    # PostgreSQL.
    'tests': ['plone.restapi', 'psycopg2-binary', 'RelStorage', 'ZEO'],
}

WORLD = PLONE_43 if sys.version_info[0] == 2 else PLONE_62


def read(name):
    here = os.path.dirname(os.path.abspath(__file__))
    with io.open(os.path.join(here, name), encoding='utf-8') as source:
        return source.read()


setup(
    name='ftw.monitor',
    version='2.0.0.dev0',
    description='Health checks, warm-up and metrics for Zope/Plone instances,'
                ' on a port and a thread of their own',
    long_description=read('README.rst') + '\n\n' + read('CHANGES.rst'),
    long_description_content_type='text/x-rst',
    license='GPL-2.0-only',
    keywords='zope plone monitoring health check warmup haproxy zodb zeo',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Web Environment',
        'Framework :: Plone',
        'Framework :: Plone :: 4.3',
        'Framework :: Plone :: 6.2',
        'Framework :: Zope',
        'Framework :: Zope :: 2',
        'Framework :: Zope :: 5',
        'Intended Audience :: System Administrators',
        'Operating System :: POSIX',
        'Programming Language :: Python',
        'Programming Language :: Python :: 2.7',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: System :: Monitoring',
    ],
    packages=WORLD['namespace_packages'] + [
        'ftw.monitor',
        'ftw.monitor.checks',
        'ftw.monitor.commands',
        'ftw.monitor.instance',
        'ftw.monitor.server',
        'ftw.monitor.warmup',
    ],
    namespace_packages=WORLD['namespace_packages'] or None,
    package_data={'': ['*.zcml']},
    zip_safe=False,
    python_requires='>=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*, !=3.4.*,'
                    ' !=3.5.*, !=3.6.*, !=3.7.*, !=3.8.*, !=3.9.*',
    install_requires=WORLD['requirements'] + [
        'Products.CMFCore',
        'zope.component',
        'zope.globalrequest',
        'zope.interface',
        'zope.processlifetime',
    ],
    extras_require={
        'tests': WORLD['tests'] + [
            'hypothesis',
            'plone.app.testing',
            'plone.testing',
            'Products.CMFPlone',
            'zope.testrunner',
        ],
    },
    entry_points={
        'console_scripts': [
            'ftw-monitor = ftw.monitor.ctl:main',
        ],
        'plone.recipe.zope2instance.ctl': [
            'monitor = ftw.monitor.ctl:monitor',
        ],
        'z3c.autoinclude.plugin': [
            'target = plone',
        ],
    },
)
